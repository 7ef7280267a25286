"""A real worker whose policy lacks one action: it says which, on what and which file has it, and loses none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.fleet import Fleet, FleetError, eventually
from localstack.policies import Names
from tests.acceptance.attacks import report, send_bodies
from tests.integration import roles

if TYPE_CHECKING:
    from pathlib import Path

    from localstack.local_aws import LocalAws

NAMES = Names()


def one_line(log: Path, action: str) -> str:
    """The first line that names the action; empty if there is none."""
    spelt = action.lower() if action.startswith("sqs:") else action
    lines = log.read_text().splitlines() if log.exists() else []
    return next(
        (line for line in lines if f"not authorized to perform: {spelt} on resource: arn:aws:" in line), ""
    )


@pytest.mark.parametrize(
    "place",
    [("UpdateIpSets", "wafv2:UpdateIPSet"), ("TakeInfractions", "sqs:DeleteMessage")],
)
def test_a_worker_that_may_not_do_one_thing_names_it_and_goes_on_when_it_may(
    fleet: Fleet, local_aws: LocalAws, account: str, tmp_path: Path, place: tuple[str, str]
) -> None:
    _, action = place
    log = tmp_path / "worker.log"
    policy = roles.policy("worker", account, NAMES)
    local_aws.edge.permit(f"worker-{account}", roles.without(policy, *place))
    fleet.environment["AWS_SESSION_TOKEN"] = f"worker-{account}"
    worker = fleet.start_worker(log=log)
    send_bodies(fleet, report("203.0.113.9", 3))
    eventually(lambda: bool(one_line(log, action)), "the worker names what it may not do", 30)
    assert "docs/iam/worker.json has the policy that is needed" in one_line(log, action)

    local_aws.edge.permit(f"worker-{account}", roles.policy("worker", account, NAMES))

    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the address is banned", 40, 1)
    fleet.wait_until_judged()
    assert fleet.dead_letters() == []
    worker.terminate()
    assert worker.wait(12) == 0


def test_a_worker_that_may_not_see_its_table_ends_with_one_line(
    fleet: Fleet, local_aws: LocalAws, account: str, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    policy = roles.policy("worker", account, NAMES)
    local_aws.edge.permit(f"worker-{account}", roles.without(policy, "KeepTheLedger", "dynamodb:DescribeTable"))
    fleet.environment["AWS_SESSION_TOKEN"] = f"worker-{account}"
    assert fleet.start_worker(log=log).wait(30) == 3
    (line,) = log.read_text().splitlines()
    assert f"dynamodb:DescribeTable on resource: arn:aws:dynamodb:us-east-1:{account}:table/f2b" in line
    assert line.endswith("docs/iam/worker.json has the policy that is needed")


def test_a_shim_that_may_only_send_says_once_that_it_could_not_check_the_queue_and_sends(
    fleet: Fleet, local_aws: LocalAws, account: str, tmp_path: Path
) -> None:
    policy = roles.policy("shim", account, NAMES)
    policy["Statement"][0]["Action"] = ["sqs:SendMessage"]
    local_aws.edge.permit(f"shim-{account}", policy)
    fleet.environment["AWS_SESSION_TOKEN"] = f"shim-{account}"
    log = tmp_path / "shim.log"

    fleet.start_shim("--queue", fleet.queue_url, log=log)

    assert fleet.get("/infraction/203.0.113.9")[0] == 200
    assert fleet.get("/readyz")[0] == 200
    assert fleet.queued() == 1
    fleet.stop()
    (line,) = [line for line in log.read_text().splitlines() if "queue_not_checked" in line]
    assert "sqs:getqueueattributes on resource: arn:aws:sqs:" in line
    assert "docs/iam/shim.json has the policy that is needed" in line


def test_a_shim_without_credentials_ends_with_one_line(fleet: Fleet, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del fleet.environment[name]
    log = tmp_path / "shim.log"
    with pytest.raises(FleetError, match="ended with exit code 3"):
        fleet.start_shim("--queue", fleet.queue_url, log=log)
    (line,) = log.read_text().splitlines()
    assert "credentials" in line.lower()
