"""DynamoDB takes a write whose answer is lost, or takes it after the worker has tried again: no ban is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.checker import difference, expected
from demo.fleet import eventually
from demo.prove import RULES, compared, running_entries
from tests.acceptance.attacks import REPLAY, real_attack, send_in_small_messages

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.control import EdgeControl
    from localstack.local_aws import LocalAws

WRITES = ("TransactWriteItems", "UpdateItem", "BatchExecuteStatement", "PutItem")
IN_ORDER_WITH_MANY_CALLS = ("--receivers", "1", "--linger-s", "0", "--extend-resolution-s", "0")

pytestmark = [pytest.mark.localstack, pytest.mark.own_policies]


@pytest.mark.parametrize("name", ["elasticssh", "secrepo10k"])
def test_with_lost_answers_and_late_writes_a_worker_ends_with_exactly_the_bans_of_a_real_attack(
    fleet: Fleet, local_aws: LocalAws, oracle: Path, name: str
) -> None:
    infractions = real_attack(oracle, name)
    wanted = expected(infractions, RULES)
    edge = local_aws.edge
    lose_answers_and_land_late(edge)

    fleet.start_worker(*REPLAY, *IN_ORDER_WITH_MANY_CALLS)
    send_in_small_messages(fleet, infractions, 1)
    fleet.wait_until_judged(120)
    eventually(lambda: edge.late_calls() == 0, "the last late write has landed", 10)

    assert {rule["kind"] for rule in edge.faults() if rule["hits"]} == {"reset_after", "late"}
    assert difference(fleet.bans(), wanted) == []
    eventually(lambda: compared(fleet.ip_set_entries()) == running_entries(wanted), "equal IP sets", 30, 0.6)


def lose_answers_and_land_late(edge: EdgeControl) -> None:
    """Lose the answers of 2 % of DynamoDB's writes; 1 % land up to five seconds after their caller was left."""
    for place, write in enumerate(WRITES):
        edge.fault(f"dynamodb:{write}", "reset_after", probability=0.02, seed=5 + place)
        edge.fault(f"dynamodb:{write}", "late", probability=0.01, delay_s=5.0, seed=9 + place)
