"""What people do by hand: the same on DynamoDB, on the state file, and in memory."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.acts import SqliteActs
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import BY_HAND, Ban, Hit, Offender, OffenderId, judge
from f2b_worker.errors import Retryable
from f2b_worker.ports import StandingBan
from tests.contract.acting import (
    LIFTED_MS,
    ORDER,
    OTHER,
    STRANGER,
    act,
    acts,
    answers_are_lost,
    banned,
    heard,
    orders,
    unread,
)
from tests.contract.ledgers import (
    JAIL,
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
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.ports import Acts
    from f2b_worker.testing import FakeClock


__all__ = ["acts", "answers_are_lost", "heard", "orders"]


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
        (again,) = judge(seen, hits(98, 99, 99.5), JAIL, key=WHO.key).changed
        after = commit(ledger, seen, again)
        assert after == ledger.offender(WHO)
        assert (after.ban, after.lifted_ms) == (None, LIFTED_MS)
        assert settle(ledger, hits(98, 99, 99.5)).ban is None
        later = tuple(Hit(LIFTED_MS + second, f"later-{second}") for second in (1, 2, 3))
        assert settle(ledger, later).ban == replace(ban(0), start_ms=LIFTED_MS + 3, until_ms=LIFTED_MS + 600_003)

    def test_where_no_ban_runs_nobody_who_follows_hears_of_one(self, ledger: Book, acts: Acts) -> None:
        record(ledger, *hits(98, 99))
        follower = ledger.follow()
        follower.poll()
        acts.lift(act(), [WHO])
        acts.ban(act(Verb.BAN, number=2), {STRANGER: ORDER})
        assert [each.who for each in follower.poll().bans] == [STRANGER]
        assert list(follower.poll().bans) == []

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

    def test_how_it_was_done_stands_in_the_audit_and_beside_whom_it_was_done_to(
        self, ledger: Book, acts: Acts
    ) -> None:
        banned(ledger)
        told = replace(act(Verb.UNBAN, WHO.key), how="and forget the past")
        acts.lift(told, [WHO], forget=True)
        acts.lift(told, [WHO], forget=True)  # its answer was lost
        acts.lift(act(number=2, at_ms=LIFTED_MS + 1), [WHO])
        noted = replace(act(Verb.DROP, "letter", number=3, at_ms=LIFTED_MS + 2), how="all")
        acts.note(noted)
        assert [each.how for each in acts.audit(0)] == ["all", "", "and forget the past"]
        assert [each.how for each in acts.acts_on(WHO.key)] == ["", "and forget the past"]

    def test_whoever_is_first_of_a_lift_and_a_judge_the_ban_is_over(self, ledger: Book, acts: Acts) -> None:
        banned(ledger)
        follower = ledger.follow()
        follower.poll()
        judging = threading.Thread(
            target=lambda: [settle(ledger, hits(second, second + 0.5)) for second in range(40, 99)]
        )
        judging.start()
        answer = acts.lift(act(), [WHO])[WHO]
        judging.join()
        assert isinstance(answer, Ban)
        after = ledger.offender(WHO)
        assert after.ban
        assert (after.ban.until_ms, after.lifted_ms) == (LIFTED_MS - 1, LIFTED_MS)
        assert [each.ban for each in follower.poll().bans][-1] == after.ban

    def test_an_answer_that_is_lost_after_the_effect_is_found_by_the_same_act(
        self, ledger: Book, acts: Acts, answers_are_lost: Callable[[], AbstractContextManager[None]]
    ) -> None:
        before = banned(ledger)
        with answers_are_lost(), suppress(Retryable):
            (failed,) = acts.lift(act(), [WHO]).values()
            assert isinstance(failed, Retryable)
        there = ledger.offender(WHO)
        assert there.lifted_ms == LIFTED_MS
        assert acts.lift(act(), [WHO]) == {WHO: replace(before, evidence=())}
        assert ledger.offender(WHO) == there
        with answers_are_lost(), suppress(Retryable):
            acts.reload(act(Verb.RELOAD, number=2))
        assert acts.reload(act(Verb.RELOAD, number=2)) == 1


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


def test_the_acts_of_the_file_can_be_opened_by_the_worker_too(state: StateFile, clock: FakeClock) -> None:
    acts = SqliteActs(state.reader(), state.safe_writer)
    ledger = SqliteLedger(state, clock, kept_ms=DAY_MS)
    banned(ledger)
    acts.lift(act(), [WHO])
    assert ledger.offender(WHO).lifted_ms == LIFTED_MS
