"""What people lift by hand stays lifted, while real workers judge, die and hear of it."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import NAME, eventually
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.sqlite.acts import open_acts
from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
from f2b_worker.adapters.sqlite.file import open_existing
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from tests.acceptance.attacks import now_ms, send_bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.fleet import Fleet
    from f2b_worker.ports import Acts, BanBook, Ledger

pytestmark = pytest.mark.own_policies

IP = "203.0.113.7"
WHO = OffenderId("default", f"{IP}/32")


def body(*ages_ms: int, name: str = "early") -> str:
    """Make a message about infractions so long ago; sent again, it tells of the same ones."""
    return json.dumps(
        [{"ip": IP, "id": f"{name}-{age_ms}", "at": (now_ms() - age_ms) / 1000} for age_ms in ages_ms]
    )


def unban(reason: str = "a customer") -> Act:
    return Act(secrets.token_hex(8), now_ms(), "ann@laptop", Verb.UNBAN, (WHO.key,), reason=reason)


def last_ban(book: BanBook) -> Ban | None:
    return book.offender(WHO).ban


def runs(book: BanBook) -> bool:
    ban = last_ban(book)
    return ban is not None and ban.until_ms >= now_ms()


@pytest.fixture
def ledger(fleet: Fleet) -> Iterator[DynamoLedger]:
    opened = DynamoLedger(fleet.dynamodb, NAME, SystemClock(), kept_ms=60 * DAY_MS)
    yield opened
    opened.close()


@pytest.fixture
def acts(fleet: Fleet) -> Iterator[DynamoActs]:
    opened = DynamoActs(fleet.dynamodb, NAME, SystemClock())
    yield opened
    opened.close()


def is_in_waf(fleet: Fleet) -> bool:
    return WHO.key in fleet.ip_set_entries()


def test_a_lifted_ban_leaves_waf_and_comes_back_for_what_is_done_afterwards_only(
    fleet: Fleet, ledger: DynamoLedger, acts: DynamoActs
) -> None:
    fleet.set_visibility_timeout(3)  # the dead one holds messages
    workers = [fleet.start_worker() for _ in range(2)]
    early = body(3000, 2900, 2800, 2700)
    send_bodies(fleet, [early])
    eventually(lambda: is_in_waf(fleet), "it is banned", 60)

    answer = acts.lift(unban(), [WHO])[WHO]
    assert isinstance(answer, Ban)
    eventually(lambda: not is_in_waf(fleet), "it is out of WAF", 10)

    late = body(60_000, 50_000, 40_000, name="late")
    send_bodies(fleet, [early, late, early])
    workers[0].kill()
    fleet.wait_until_judged()
    assert not runs(ledger)

    send_bodies(fleet, [body(2, 1, 0, name="again")])
    eventually(lambda: is_in_waf(fleet), "it is banned again", 30)
    again = last_ban(ledger)
    assert again
    assert again.count == 2


def test_who_goes_on_after_a_lift_is_banned_anew_although_workers_knew_the_ban(
    fleet: Fleet, ledger: DynamoLedger, acts: DynamoActs
) -> None:
    for _ in range(2):
        fleet.start_worker()
    send_bodies(fleet, [body(3, 2, 1)])
    eventually(lambda: is_in_waf(fleet), "it is banned", 60)
    # Both workers know the ban now: what falls into it is recorded nowhere.
    for number in range(6):
        send_bodies(fleet, [body(0, name=f"during-{number}")])
    fleet.wait_until_judged()

    acts.lift(unban(), [WHO])
    send_bodies(fleet, [body(0, name=f"after-{number}") for number in range(3)])

    eventually(lambda: runs(ledger), "three infractions after the lift ban it anew", 20)
    again = last_ban(ledger)
    assert again
    assert again.count == 2


def test_a_ban_inside_the_allowlist_is_lifted_and_does_not_come_back_when_the_entry_ends(
    fleet: Fleet, ledger: DynamoLedger, acts: DynamoActs
) -> None:
    fleet.start_worker()
    allow = Act(secrets.token_hex(8), now_ms(), "ann", Verb.ALLOW)
    acts.allow(allow, [AllowEntry("203.0.113.0/24", None, "", "ann", now_ms())])
    # As a worker stores it that has not heard of the entry yet.
    store(ledger, Ban(now_ms(), now_ms() + 600_000, 1, 600_000))
    eventually(lambda: not runs(ledger), "it is lifted", 60)
    (lift,) = [act for act in acts.acts_on(WHO.key) if act.verb is Verb.UNBAN]
    assert lift.by.startswith("f2b-worker ")
    acts.disallow(Act(secrets.token_hex(8), now_ms(), "ann", Verb.DISALLOW), ["203.0.113.0/24"])
    other = "198.51.100.9"
    send_bodies(fleet, [f'{{"ip": "{other}", "id": "{number}"}}' for number in range(3)])
    eventually(lambda: f"{other}/32" in fleet.ip_set_entries(), "a later ban is in WAF", 30)
    assert not is_in_waf(fleet)


def store(ledger: Ledger, ban: Ban) -> None:
    from f2b_worker.domain.judge.decisions import Decision  # noqa: PLC0415 - for one test

    stored = ledger.commit({WHO: Decision(Offender(), ban)})[WHO]
    assert isinstance(stored, Offender)
    assert ledger.publish({WHO: stored}) == {}


def test_a_lift_from_another_process_reaches_a_standalone_worker(
    fleet: Fleet, state: Path, start: Callable[..., Any]
) -> None:
    start(enforcing=False)
    for number in range(3):
        assert fleet.get(f"/infraction/{IP}?id=early-{number}")[0] == 200
    book = SqliteBanBook(open_existing(state))
    eventually(lambda: runs(book), "it is banned", 30)
    acts: Acts = open_acts(state)

    act = unban()
    acts.lift(act, [WHO])
    assert not runs(book)
    for number in range(3):
        assert fleet.get(f"/infraction/{IP}?id=again-{number}")[0] == 200
    eventually(lambda: runs(book), "what is done after the lift counts, although the worker knew the ban", 20)
    again = last_ban(book)
    assert again
    assert again.count == 2
    assert book.offender(WHO).lifted_ms == act.at_ms
