"""The real fleet: worker processes on the local AWS, each test in an account of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.fleet import Fleet
from demo.prove import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localstack.local_aws import LocalAws


@pytest.fixture
def fleet(local_aws: LocalAws, account: str, tmp_path: Path) -> Iterator[Fleet]:
    """A provisioned fleet without a worker."""
    config = tmp_path / "f2b.toml"
    config.write_text(CONFIG)
    local_aws.edge.clear_faults()
    local_aws.edge.deliver()
    local_aws.edge.set_waf_rate(1.0)
    with Fleet(local_aws, config, account=account) as fleet:
        fleet.provision()
        local_aws.edge.reset_calls()
        yield fleet
    local_aws.edge.clear_faults()
    local_aws.edge.deliver()
