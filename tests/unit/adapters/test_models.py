"""The descriptions of AWS's services: read faster than by botocore, and the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import DataNotFoundError
from botocore.loaders import create_loader

from f2b_worker.adapters.models import open_models

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "sts", "wafv2"])
def test_a_service_is_described_as_botocore_reads_it(service: str) -> None:
    ours, botocores = open_models(None), create_loader()
    for kind in ("service-2", "endpoint-rule-set-1"):
        assert ours.load_service_model(service, kind) == botocores.load_service_model(service, kind)
    assert ours.load_data("partitions") == botocores.load_data("partitions")


def test_a_folder_of_ones_own_is_looked_into_first_and_one_that_is_not_there_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"a": 1}')
    models = open_models(f"{tmp_path / 'gone'}:{tmp_path}")
    assert models.load_data("mine") == {"a": 1}
    assert models.load_service_model("sqs", "service-2")["metadata"]["serviceId"] == "SQS"
    with pytest.raises(DataNotFoundError):
        models.load_data("nobody")
