"""Allowlist, control and audit: the same on DynamoDB, on the state file, and in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST, Control, Pause
from f2b_worker.domain.jails import DAY_MS
from tests.contract.acting import (
    LIFTED_MS,
    ORDER,
    OTHER,
    STRANGER,
    act,
    acts,
    banned,
    heard,
    orders,
)
from tests.contract.ledgers import (
    NOW_MS,
    WHO,
    Book,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.ports import Acts, StandingOrders


__all__ = ["acts", "heard", "orders"]


class TestAllowlist:
    ENTRIES = (
        AllowEntry("192.0.2.0/24", None, "our office", "ann", LIFTED_MS),
        AllowEntry("2001:db8::/64", LIFTED_MS + 1000, "", "ann", LIFTED_MS),
    )

    def test_entries_are_there_at_once_and_workers_hear_of_them(
        self, acts: Acts, orders: StandingOrders, heard: Callable[[], bool]
    ) -> None:
        assert not heard()
        acts.allow(act(Verb.ALLOW), self.ENTRIES)
        assert heard()
        assert list(acts.allowlist()) == list(orders.allowlist()) == list(self.ENTRIES)
        assert not heard()

    def test_an_entry_takes_the_place_of_one_of_the_same_network(self, acts: Acts) -> None:
        acts.allow(act(Verb.ALLOW), self.ENTRIES)
        longer = replace(self.ENTRIES[1], until_ms=None, comment="for good")
        acts.allow(act(Verb.ALLOW, number=2), [longer])
        assert list(acts.allowlist()) == [self.ENTRIES[0], longer]

    def test_what_was_there_is_taken_off_and_told(
        self, acts: Acts, orders: StandingOrders, heard: Callable[[], bool]
    ) -> None:
        acts.allow(act(Verb.ALLOW), self.ENTRIES)
        heard()
        off = act(Verb.DISALLOW, number=2)
        assert acts.disallow(off, ["192.0.2.0/24", "192.0.2.1/32"]) == {"192.0.2.0/24"}
        assert heard()
        assert list(orders.allowlist()) == [self.ENTRIES[1]]
        assert acts.disallow(off, ["192.0.2.0/24", "192.0.2.1/32"]) == {"192.0.2.0/24"}
        assert acts.disallow(act(Verb.DISALLOW, number=3), ["192.0.2.0/24"]) == frozenset()

    def test_the_same_act_again_changes_nothing(self, acts: Acts) -> None:
        acts.allow(act(Verb.ALLOW), self.ENTRIES)
        acts.disallow(act(Verb.DISALLOW, number=2), ["192.0.2.0/24"])
        acts.allow(act(Verb.ALLOW), self.ENTRIES)
        assert list(acts.allowlist()) == [self.ENTRIES[1]]

    def test_it_is_remembered_with_each_network(self, acts: Acts) -> None:
        acts.allow(act(Verb.ALLOW, *(each.network for each in self.ENTRIES)), self.ENTRIES)
        acts.disallow(act(Verb.DISALLOW, "192.0.2.0/24", number=2, at_ms=LIFTED_MS + 1), ["192.0.2.0/24"])
        assert [each.verb for each in acts.acts_on("192.0.2.0/24")] == [Verb.DISALLOW, Verb.ALLOW]
        assert [each.count for each in acts.acts_on("2001:db8::/64")] == [2]

    def test_many_entries_are_added_and_taken_off(self, acts: Acts) -> None:
        entries = [AllowEntry(f"198.51.100.{number}/32", None, "", "ann", LIFTED_MS) for number in range(120)]
        acts.allow(act(Verb.ALLOW), entries)
        assert len(acts.allowlist()) == 120
        networks = [each.network for each in entries]
        assert acts.disallow(act(Verb.DISALLOW, number=2), networks) == set(networks)
        assert acts.allowlist() == []


class TestControl:
    def test_a_pause_holds_until_its_end_or_until_it_is_resumed(
        self, acts: Acts, orders: StandingOrders, heard: Callable[[], bool]
    ) -> None:
        assert not heard()
        acts.pause(act(Verb.PAUSE, "block"), "block", LIFTED_MS + 1000)
        acts.pause(act(Verb.PAUSE, "*", number=2), EVERY_BLOCKLIST, None)
        assert heard()
        by, why = act().by, act().reason
        both = {"block": Pause(LIFTED_MS, LIFTED_MS + 1000, by, why), "*": Pause(LIFTED_MS, None, by, why)}
        assert orders.control() == acts.control() == Control(both, 0)
        resumed = act(Verb.RESUME, "*", number=3)
        assert acts.resume(resumed, EVERY_BLOCKLIST)
        assert heard()
        assert orders.control() == Control({"block": both["block"]}, 0)
        assert acts.resume(resumed, EVERY_BLOCKLIST)
        assert not acts.resume(act(Verb.RESUME, "*", number=4), EVERY_BLOCKLIST)

    def test_a_pause_again_takes_the_place_of_the_one_before_and_a_repeated_one_does_not(self, acts: Acts) -> None:
        acts.pause(act(Verb.PAUSE), "block", 5)
        acts.pause(act(Verb.PAUSE, number=2), "block", 9)
        acts.pause(act(Verb.PAUSE), "block", 5)
        assert acts.control().pauses["block"].until_ms == 9

    def test_each_reload_is_another_generation_and_a_repeated_one_is_none(
        self, acts: Acts, orders: StandingOrders, heard: Callable[[], bool]
    ) -> None:
        assert acts.control() == Control()
        assert acts.reload(act(Verb.RELOAD)) == 1
        assert heard()
        assert acts.reload(act(Verb.RELOAD)) == 1
        assert acts.control().asked_ms == act(Verb.RELOAD).at_ms
        later = replace(act(Verb.RELOAD, number=2), at_ms=LIFTED_MS + 5)
        assert acts.reload(later) == 2
        assert acts.reload(act(Verb.RELOAD)) == 2
        assert orders.control() == Control(generation=2, asked_ms=LIFTED_MS + 5)


class TestAudit:
    def test_who_did_what_and_why_the_newest_first(self, acts: Acts) -> None:
        done = [
            Act("1", NOW_MS + 1, "ann", Verb.RELEASE, ("block",), reason="looked at them"),
            Act("2", NOW_MS + 3, "bob", Verb.IMPORT, (WHO.key,), "manual", "", 25_000),
            Act("3", NOW_MS + 2, "bob", Verb.BAN),
        ]
        for each in done:
            acts.note(each)
            acts.note(each)
        assert list(acts.audit(0)) == [done[place].shortened() for place in (1, 2, 0)]

    def test_of_a_time_only_what_was_done_then_over_the_ends_of_months(self, acts: Acts) -> None:
        days = range(0, 75, 5)
        for day in days:
            acts.note(act(number=day, at_ms=NOW_MS - day * DAY_MS))
        found = list(acts.audit(NOW_MS - 60 * DAY_MS, NOW_MS - 10 * DAY_MS))
        assert [each.id for each in found] == [act(number=day).id for day in days if 10 <= day <= 60]
        assert [each.at_ms for each in acts.audit(NOW_MS)] == [NOW_MS]

    def test_beside_an_address_stands_what_was_done_to_it(self, ledger: Book, acts: Acts) -> None:
        banned(ledger)
        lift = act(Verb.UNBAN, WHO.key, STRANGER.key)
        acts.lift(lift, [WHO, STRANGER])
        acts.ban(act(Verb.BAN, WHO.key, number=2, at_ms=LIFTED_MS + 3), {WHO: ORDER, OTHER: ORDER})
        newest, oldest = acts.acts_on(WHO.key)
        assert newest == act(Verb.BAN, WHO.key, number=2, at_ms=LIFTED_MS + 3).shortened()
        assert oldest == replace(lift, what=(WHO.key,), count=2)
        assert acts.acts_on("192.0.2.1/32") == []
