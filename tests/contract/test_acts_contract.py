"""What people do by hand: the same on DynamoDB, on the state file, and in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.sqlite.acts import SqliteActs, open_acts
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST, Control, Pause
from f2b_worker.domain.acts.hand_bans import BY_HAND, Order
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId, judge
from f2b_worker.ports import StandingBan
from f2b_worker.testing import MemoryActs, MemoryLedger
from tests.contract.ledgers import (
    JAIL,
    NOW_MS,
    TABLE,
    WHO,
    Book,
    ban,
    commit,
    hit,
    hits,
    record,
    remembered,
    settle,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.ports import Acts, StandingOrders
    from f2b_worker.testing import FakeClock

OTHER = OffenderId("admin", WHO.key)
STRANGER = OffenderId("login", "198.51.100.9/32")
LIFTED_MS = hit(100).at_ms
ORDER = Order(LIFTED_MS + DAY_MS)


@pytest.fixture
def acts(request: pytest.FixtureRequest, ledger: Book, clock: FakeClock) -> Iterator[Acts]:
    """What people do to the bans of the ledger, as from a command in another process."""
    if isinstance(ledger, MemoryLedger):
        yield MemoryActs(ledger)
    elif isinstance(ledger, SqliteLedger):
        state: StateFile = request.getfixturevalue("state")
        opened = open_acts(state.path)
        yield opened
        opened.close()
    else:
        client: DynamoDBClient = request.getfixturevalue("dynamodb")
        found = DynamoActs(client, TABLE, clock)
        yield found
        found.close()


@pytest.fixture
def orders(acts: Acts, ledger: Book) -> StandingOrders:
    """What a worker on the ledger follows."""
    if isinstance(acts, MemoryActs):
        return acts
    assert isinstance(ledger, (DynamoLedger, SqliteLedger))
    return ledger.orders


@pytest.fixture
def heard(orders: StandingOrders, ledger: Book) -> Callable[[], bool]:
    """Tells whether a worker, once it has asked for news, has to read its orders again."""
    ledger.news()
    known = [orders.mark()]

    def is_told() -> bool:
        ledger.news()
        known.append(orders.mark())
        return known[-1] != known[-2]

    return is_told


def act(
    verb: Verb = Verb.UNBAN, *what: str, number: int = 1, at_ms: int = LIFTED_MS, reason: str = "tired"
) -> Act:
    return Act(f"5f0c91aa{number:08d}", at_ms, "arn:aws:sts::1:ann", verb, what, reason=reason)


def banned(ledger: Book, who: OffenderId = WHO, start_s: float = 30) -> Ban:
    """Have somebody banned by the judge, for ten minutes."""
    found = ban(start_s, evidence=hits(start_s - 2, start_s - 1, start_s))
    seen = record(ledger, *found.evidence, who=who)
    commit(ledger, seen, found, who=who)
    return found


def unread(offender: Offender) -> Offender:
    return replace(offender, hits=frozenset())


class TestLifting:
    def test_a_running_ban_is_over_and_whoever_follows_hears_of_it(self, ledger: Book, acts: Acts) -> None:
        follower = ledger.follow()
        before = banned(ledger)
        list(follower.poll().bans)
        assert acts.lift(act(), [WHO]) == {WHO: replace(before, evidence=())}
        (told,) = follower.poll().bans
        ended = replace(before, until_ms=LIFTED_MS - 1, evidence=())
        assert told == StandingBan(WHO, ended, LIFTED_MS)
        assert ledger.offender(WHO) == Offender(frozenset(), ended, 2, LIFTED_MS)
        assert ledger.standing_of(WHO.key) == [StandingBan(WHO, ended, LIFTED_MS)]
        assert list(ledger.follow().poll().bans) == [StandingBan(WHO, ended, LIFTED_MS)]

    def test_its_history_has_it_as_it_ended_with_its_evidence(self, ledger: Book, acts: Acts) -> None:
        before = banned(ledger)
        acts.lift(act(), [WHO])
        assert ledger.history(WHO) == [replace(before, until_ms=LIFTED_MS - 1)]
        later = tuple(Hit(LIFTED_MS + second, f"later-{second}") for second in (1, 2, 3))
        after = settle(ledger, later)
        assert after.ban
        assert after.ban.count == 2
        found = ledger.history(WHO)
        assert found == [replace(before, until_ms=LIFTED_MS - 1), replace(after.ban, evidence=later)]

    def test_infractions_up_to_it_never_bring_the_ban_back(self, ledger: Book, acts: Acts) -> None:
        banned(ledger)
        acts.lift(act(), [WHO])
        lifted = ledger.offender(WHO)
        assert unread(settle(ledger, hits(28, 29, 30, 31, 99, 99.5, 100))) == unread(lifted)

    def test_a_worker_hears_of_it_with_the_news(self, ledger: Book, colleague: Book, acts: Acts) -> None:
        banned(ledger)
        colleague.news()
        acts.lift(act(), [WHO])
        assert colleague.news() == {WHO: ledger.offender(WHO)}
        assert colleague.news() == {}

    def test_the_judge_of_before_it_is_refused_and_learns(self, ledger: Book, acts: Acts) -> None:
        banned(ledger)
        seen = ledger.offender(WHO)
        acts.lift(act(), [WHO])
        (longer,) = judge(seen, [hit(90)], JAIL, key=WHO.key).changed
        assert commit(ledger, seen, longer) == ledger.offender(WHO)
        assert ledger.offender(WHO).lifted_ms == LIFTED_MS

    def test_where_no_ban_runs_infractions_are_spent_and_who_judged_before_is_refused(
        self, ledger: Book, acts: Acts
    ) -> None:
        seen = record(ledger, *hits(98, 99))
        assert acts.lift(act(), [WHO]) == {WHO: None}
        again = judge(seen, hits(98, 99, 99.5), JAIL, key=WHO.key).changed
        after = commit(ledger, seen, *again)
        assert after == ledger.offender(WHO)
        assert (after.ban, after.lifted_ms) == (None, LIFTED_MS)
        assert settle(ledger, hits(98, 99, 99.5)).ban is None
        later = tuple(Hit(LIFTED_MS + second, f"later-{second}") for second in (1, 2, 3))
        assert settle(ledger, later).ban == replace(ban(0), start_ms=LIFTED_MS + 3, until_ms=LIFTED_MS + 600_003)

    def test_a_ban_that_is_over_stays_as_it_ended(self, ledger: Book, acts: Acts) -> None:
        before = banned(ledger)
        after_end = act(at_ms=before.until_ms + 1)
        assert acts.lift(after_end, [WHO]) == {WHO: None}
        assert ledger.history(WHO) == [before]
        assert ledger.offender(WHO).lifted_ms == before.until_ms + 1

    def test_of_a_stranger_there_is_nothing_to_lift(self, ledger: Book, acts: Acts) -> None:
        assert acts.lift(act(), [STRANGER]) == {STRANGER: None}
        assert ledger.offender(STRANGER) == Offender()
        assert acts.acts_on(STRANGER.key) == []
        assert [each.id for each in acts.audit(0)] == [act().id]

    def test_the_same_act_again_changes_nothing_and_answers_the_same(self, ledger: Book, acts: Acts) -> None:
        before = banned(ledger)
        answer = acts.lift(act(), [WHO, STRANGER])
        acts.ban(act(Verb.BAN, number=2, at_ms=LIFTED_MS + 5), {WHO: ORDER})
        there = ledger.offender(WHO)
        assert acts.lift(act(), [WHO, STRANGER]) == answer == {WHO: replace(before, evidence=()), STRANGER: None}
        assert ledger.offender(WHO) == there
        assert [each.id for each in acts.audit(0)] == [act(number=2).id, act().id]

    def test_a_second_lift_is_another_change(self, ledger: Book, acts: Acts) -> None:
        banned(ledger)
        acts.lift(act(), [WHO])
        assert acts.lift(act(number=2, at_ms=LIFTED_MS + 7), [WHO]) == {WHO: None}
        assert ledger.offender(WHO).lifted_ms == LIFTED_MS + 7
        assert ledger.offender(WHO).revision == 3

    def test_what_is_forgotten_too_counts_no_more(self, ledger: Book, acts: Acts) -> None:
        before = banned(ledger)
        record(ledger, *hits(95, 96))
        acts.lift(act(), [WHO], forget=True)
        after = ledger.offender(WHO)
        assert after.hits == frozenset()
        assert after.ban == replace(before, until_ms=LIFTED_MS - 1, count=0, evidence=())
        later = tuple(Hit(LIFTED_MS + second, f"later-{second}") for second in (1, 2, 3))
        next_ban = settle(ledger, later).ban
        assert next_ban
        assert next_ban.count == 1
        assert ledger.offender(WHO).revision == 3

    def test_a_ban_of_a_clock_that_is_ahead_is_over_too(self, ledger: Book, acts: Acts) -> None:
        before = banned(ledger, start_s=130)
        acts.lift(act(), [WHO])
        ended = replace(before, start_ms=LIFTED_MS - 1, until_ms=LIFTED_MS - 1)
        assert ledger.history(WHO) == [ended]
        assert ledger.offender(WHO).lifted_ms == before.start_ms

    def test_all_jails_of_an_address_are_found_those_with_infractions_alone_too(
        self, ledger: Book, acts: Acts
    ) -> None:
        banned(ledger)
        record(ledger, hit(50), who=OTHER)
        record(ledger, hit(50), who=STRANGER)
        assert acts.jails_of(WHO.key) == [OTHER, WHO]
        assert set(acts.lift(act(), acts.jails_of(WHO.key))) == {OTHER, WHO}
        assert ledger.offender(OTHER).lifted_ms == LIFTED_MS
        assert acts.jails_of("192.0.2.1/32") == []

    def test_many_are_lifted_at_once_and_remembered_as_one_act(self, ledger: Book, acts: Acts) -> None:
        whom = [OffenderId("login", f"198.51.100.{number}/32") for number in range(130)]
        acts.ban(act(Verb.BAN, at_ms=LIFTED_MS - 100), dict.fromkeys(whom, ORDER))
        follower = ledger.follow()
        assert len(list(follower.poll().bans)) == 130
        keys = tuple(who.key for who in whom)
        answers = acts.lift(act(Verb.UNBAN, *keys, number=2), whom)
        assert {type(each) for each in answers.values()} == {Ban}
        assert {each.ban.until_ms for each in follower.poll().bans} == {LIFTED_MS - 1}
        newest, _ = acts.audit(0)
        assert (newest.what, newest.count) == (keys[:100], 130)


class TestBanning:
    def test_a_stranger_is_banned_and_whoever_follows_hears_of_it(self, ledger: Book, acts: Acts) -> None:
        follower = ledger.follow()
        follower.poll()
        expected = Ban(LIFTED_MS, ORDER.until_ms, 1, DAY_MS, origin=BY_HAND)
        assert acts.ban(act(Verb.BAN), {STRANGER: ORDER}) == {STRANGER: Offender(frozenset(), expected, 1)}
        assert [each.ban for each in follower.poll().bans] == [expected]
        assert ledger.offender(STRANGER).ban == expected
        assert ledger.history(STRANGER) == [expected]

    def test_a_network_for_ever_in_two_blocklists(self, ledger: Book, acts: Acts) -> None:
        who = OffenderId("manual", "2001:db8::/32")
        acts.ban(act(Verb.BAN), {who: Order(FOREVER_MS, ("block", "strict"), "import")})
        expected = Ban(LIFTED_MS, FOREVER_MS, 1, FOREVER_MS, blocklists=("block", "strict"), origin="import")
        assert [each.ban for each in ledger.standing()] == [expected]
        assert ledger.news() in ({who: Offender(frozenset(), expected, 1)}, {})

    def test_over_a_running_ban_the_later_end_holds(self, ledger: Book, acts: Acts) -> None:
        before = banned(ledger)
        answer = remembered(acts.ban(act(Verb.BAN), {WHO: ORDER})[WHO])
        longer = replace(before, until_ms=ORDER.until_ms, origin=BY_HAND)
        assert answer.ban == replace(longer, evidence=())
        assert ledger.history(WHO) == [longer]
        sooner = remembered(acts.ban(act(Verb.BAN, number=2), {WHO: Order(LIFTED_MS + 5)})[WHO])
        assert sooner == answer == ledger.offender(WHO)
        assert [each.id for each in acts.acts_on(WHO.key)] == [act(number=2).id, act().id]

    def test_what_it_takes_the_place_of_is_in_the_history(self, ledger: Book, acts: Acts) -> None:
        before = banned(ledger)
        acts.lift(act(), [WHO])
        by_hand = act(Verb.BAN, number=2, at_ms=LIFTED_MS + 50)
        after = remembered(acts.ban(by_hand, {WHO: ORDER})[WHO])
        assert after.ban == Ban(LIFTED_MS + 50, ORDER.until_ms, 2, DAY_MS - 50, origin=BY_HAND)
        assert ledger.history(WHO) == [replace(before, until_ms=LIFTED_MS - 1), after.ban]

    def test_infractions_during_it_move_its_end_and_leave_its_origin(self, ledger: Book, acts: Acts) -> None:
        acts.ban(act(Verb.BAN), {WHO: Order(LIFTED_MS + 1000)})
        after = settle(ledger, [Hit(LIFTED_MS + 900, "during")])
        assert after.ban == Ban(LIFTED_MS, LIFTED_MS + 1900, 1, 1000, extended=9, origin=BY_HAND)

    def test_the_same_act_again_changes_nothing(self, ledger: Book, acts: Acts) -> None:
        answer = acts.ban(act(Verb.BAN), {WHO: ORDER})
        assert acts.ban(act(Verb.BAN), {WHO: ORDER}) == answer
        acts.lift(act(number=2, at_ms=LIFTED_MS + 9), [WHO])
        there = ledger.offender(WHO)
        assert acts.ban(act(Verb.BAN), {WHO: ORDER}) == {WHO: there}
        assert ledger.offender(WHO) == there

    def test_unused_infractions_from_before_it_count_no_more(self, ledger: Book, acts: Acts) -> None:
        record(ledger, *hits(98, 99))
        acts.ban(act(Verb.BAN), {WHO: Order(LIFTED_MS + 10)})
        assert settle(ledger, [Hit(LIFTED_MS + 11, "after")]).revision == 1
        assert ledger.offender(WHO).hits == frozenset({Hit(LIFTED_MS + 11, "after")})

    def test_the_judge_of_before_it_is_refused_and_learns(self, ledger: Book, acts: Acts) -> None:
        seen = record(ledger, *hits(98, 99, 99.5))
        acts.ban(act(Verb.BAN), {WHO: ORDER})
        changed = judge(seen, (), JAIL, key=WHO.key).changed
        answer = ledger.commit({WHO: Decision.on(seen, changed)})[WHO]
        assert answer == ledger.offender(WHO)
        assert remembered(answer).ban == Ban(LIFTED_MS, ORDER.until_ms, 1, DAY_MS, origin=BY_HAND)


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
        assert acts.control().generation == 0
        assert acts.reload(act(Verb.RELOAD)) == 1
        assert heard()
        assert acts.reload(act(Verb.RELOAD)) == 1
        assert acts.reload(act(Verb.RELOAD, number=2)) == 2
        assert orders.control().generation == 2


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


def test_the_acts_of_the_file_can_be_opened_by_the_worker_too(state: StateFile, clock: FakeClock) -> None:
    acts = SqliteActs(state.reader(), state.safe_writer)
    ledger = SqliteLedger(state, clock, kept_ms=DAY_MS)
    banned(ledger)
    acts.lift(act(), [WHO])
    assert ledger.offender(WHO).lifted_ms == LIFTED_MS
