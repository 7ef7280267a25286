"""Workers under DynamoDB's limits: every fleet of these tests has AWS's, and few units cost time and no ban."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from demo.attack import attack
from demo.checker import expected
from demo.fleet import eventually
from demo.prove import RULES, compared, running_entries, send, shifted
from localstack.table_limits import Rates
from tests.acceptance.attacks import REPLAY, now_ms, wrongs

if TYPE_CHECKING:
    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

pytestmark = pytest.mark.localstack


def test_every_fleet_works_under_the_limits_of_aws(fleet: Fleet, local_aws: LocalAws) -> None:
    assert local_aws.edge.table_units()["limits"] == asdict(Rates())

    fleet.start_worker(*REPLAY)
    send(fleet, shifted(attack(1, now_ms()), now_ms() - 1000)[:500])
    fleet.wait_until_judged()

    units, key = local_aws.edge.table_units()["peak_key_writes"]
    assert units > 0
    assert key


def test_a_fleet_whose_table_has_few_units_a_second_ends_with_the_right_bans(
    fleet: Fleet, local_aws: LocalAws
) -> None:
    infractions = shifted(attack(1, now_ms()), now_ms() - 1000)
    local_aws.edge.limit_tables(table_writes=250)

    fleet.start_worker(*REPLAY)
    send(fleet, infractions)
    fleet.wait_until_judged(120)

    assert sum(local_aws.edge.table_units()["throttled"].values()) > 0
    assert wrongs(fleet, infractions) == []
    wanted = expected(infractions, RULES)
    eventually(lambda: compared(fleet.ip_set_entries()) == running_entries(wanted), "equal IP sets", 30, 0.6)
