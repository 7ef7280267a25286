from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from demo.checker import difference, expected
from demo.fleet import eventually
from demo.prove import RULES, compared, running_entries, send
from tests.acceptance.attacks import REPLAY, real_attack, send_in_small_messages, wrongs

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

pytestmark = pytest.mark.localstack


@pytest.mark.parametrize("name", ["elasticssh", "secrepo10k"])
def test_one_worker_process_reproduces_the_bans_of_a_real_attack_exactly(
    fleet: Fleet, oracle: Path, name: str
) -> None:
    infractions = real_attack(oracle, name)
    wanted = expected(infractions, RULES)

    fleet.start_worker(*REPLAY)
    send(fleet, infractions)
    fleet.wait_until_judged()

    assert difference(fleet.bans(), wanted) == []
    eventually(lambda: compared(fleet.ip_set_entries()) == running_entries(wanted), "equal IP sets", 15, 0.6)


@pytest.mark.parametrize(("name", "size"), [("elasticssh", 5), ("secrepo10k", 5), ("webvpn67k", 250)])
def test_three_workers_stay_sound_and_complete_when_all_is_shuffled_and_delivered_twice(
    fleet: Fleet, local_aws: LocalAws, oracle: Path, name: str, size: int
) -> None:
    infractions = real_attack(oracle, name)
    random.Random(7).shuffle(infractions)
    local_aws.edge.deliver(duplicate=True, shuffle=True, seed=7, depth=1000)
    before = local_aws.edge.delivery().duplicates_delivered

    send_in_small_messages(fleet, infractions, size)
    fleet.start_worker("--processes", "3", *REPLAY)
    fleet.wait_until_judged(90)

    assert local_aws.edge.delivery().duplicates_delivered - before == -(-len(infractions) // size)
    assert wrongs(fleet, infractions) == []
