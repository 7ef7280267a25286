"""What is not a fault of one offender's own costs no infraction: the worker waits for its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.fleet import Fleet, eventually
from tests.acceptance.attacks import report, send_bodies

if TYPE_CHECKING:
    from localstack.local_aws import LocalAws


@pytest.mark.parametrize(
    "code", ["IDPCommunicationError", "OptInRequired", "ReplicatedWriteConflictException", "407"]
)
def test_an_answer_that_nobody_listed_holds_infractions_back_and_loses_none(
    fleet: Fleet, local_aws: LocalAws, code: str
) -> None:
    worker = fleet.start_worker()
    eventually(lambda: "sqs:ReceiveMessage" in local_aws.edge.calls(), "the worker works", 30)
    local_aws.edge.fault("dynamodb:*", "throttle", code=code)
    send_bodies(fleet, report("203.0.113.9", 3))
    # Infractions are recorded, or a stranger is banned at sight.
    writes = {"dynamodb:UpdateItem", "dynamodb:PutItem"}
    eventually(lambda: not writes.isdisjoint(local_aws.edge.refused()), "the ledger fails", 20)
    assert fleet.dead_letters() == []

    local_aws.edge.clear_faults()

    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the address is banned", 40, 1)
    assert fleet.dead_letters() == []
    assert worker.poll() is None
