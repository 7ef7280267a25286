"""The real fleet: worker processes on the local AWS, each test in an account of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from demo.fleet import NAME, Fleet
from demo.prove import CONFIG
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.cli.worker import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import boto3

    from localstack.local_aws import LocalAws


@pytest.fixture
def fleet(
    aws_in_process: LocalAws,
    account: str,
    quick_sessions: Callable[[], boto3.Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Fleet]:
    """A provisioned fleet without a worker."""
    config = tmp_path / "f2b.toml"
    config.write_text(CONFIG)
    edge = aws_in_process.edge
    # In this process and without WAF's second between two sets: the command itself has tests of its own.
    edge.set_waf_rate(None)
    monkeypatch.setattr(provision_waf, "WRITE_EVERY_S", 0.0)
    made = CliRunner().invoke(main, ["provision", "--queue", NAME, "--table", NAME, "--ip-set", NAME])
    assert made.exit_code == 0, made.output
    edge.set_waf_rate(1.0)
    edge.reset_calls()
    with Fleet(aws_in_process, config, account=account) as fleet:
        yield fleet
    edge.clear_faults()
    edge.deliver()
