"""The real fleet: worker processes on the local AWS, each test in an account of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from demo.fleet import BIN, NAME, Fleet, eventually, free_port
from demo.own_policies import OwnPolicies
from demo.prove import CONFIG
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.cli.f2b import main
from localstack.policies import Names

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import boto3

    from localstack.local_aws import LocalAws


@pytest.fixture
def quick_commands(quick_sessions: Callable[[], boto3.Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands run in this process, without WAF's second between two sets: they have tests of their own."""
    monkeypatch.setattr(provision_waf, "WRITE_EVERY_S", 0.0)


@pytest.fixture
def policies(local_aws: LocalAws, account: str, request: pytest.FixtureRequest) -> Iterator[OwnPolicies | None]:
    """With the marker own_policies, give each part its policy of docs/iam alone: none may be refused a call."""
    if not request.node.get_closest_marker("own_policies"):
        yield None
        return
    own = OwnPolicies(local_aws.edge, Names(account=account))
    yield own
    assert own.refusals() == []
    own.take_back()


@pytest.fixture
def fleet(
    aws_in_process: LocalAws, account: str, tmp_path: Path, policies: OwnPolicies | None, quick_commands: None
) -> Iterator[Fleet]:
    """A provisioned fleet without a worker, whose table has AWS's limits."""
    config = tmp_path / "f2b.toml"
    config.write_text(CONFIG)
    edge = aws_in_process.edge
    edge.set_waf_rate(None)
    made = CliRunner().invoke(main, ["provision", "--queue", NAME, "--table", NAME, "--ip-set", NAME])
    assert made.exit_code == 0, made.output
    edge.set_waf_rate(1.0)
    edge.limit_tables()  # kills, faults and duplicates have to be survived under DynamoDB's limits
    edge.reset_calls()
    with Fleet(aws_in_process, config, account=account, policies=policies) as fleet:
        yield fleet
        fleet.kill()  # how they stop has tests of its own; here it would cost each test a second
    edge.clear_faults()
    edge.deliver()
    edge.count_units()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where standalone mode keeps everything."""
    return tmp_path / "f2b.db"


@pytest.fixture
def start(fleet: Fleet, state: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start standalone mode, and wait until it answers."""

    def started(
        *options: str, enforcing: bool = True, program: Sequence[str] = (str(BIN / "f2b-worker"),)
    ) -> subprocess.Popen[bytes]:
        port = free_port()
        fleet.shim_url = f"http://127.0.0.1:{port}"
        command = [*program, "--standalone", "--state", str(state), "--port", str(port)]
        command += ["--host", "127.0.0.1", "--config", str(tmp_path / "f2b.toml")]
        command += [*(("--ip-set", NAME) if enforcing else ()), *options]
        process = fleet._start(command, tmp_path / "log", role="standalone")
        fleet.workers.append(process)
        eventually(lambda: fleet.get("/readyz")[0] == 200, "it is ready", 30)
        return process

    yield started
    fleet.kill()
