"""The loop from messages to stored verdicts: nothing is lost, nothing is deleted too early."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.domain.backoff import BACKOFF_MAX_S
from f2b_worker.domain.jails import SECOND_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender
from f2b_worker.errors import (
    AccessDenied,
    F2bError,
    Invalid,
    Missing,
    Rejected,
    Throttled,
    Unavailable,
    Unreadable,
)
from f2b_worker.testing import MemoryInbox, MemoryLedger
from tests.unit.intake.scene import (
    BAD_IP,
    DAY_S,
    GOOD_IP,
    NOW_MS,
    NOW_S,
    OTHER_IP,
    POLICY,
    Scene,
    body,
    counted,
    items,
    who,
)

if TYPE_CHECKING:
    from f2b_worker.ports import Message


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestSettling:
    def test_a_message_is_deleted_only_after_all_is_recorded_judged_and_buried(self, scene: Scene) -> None:
        scene.ledger.before_commit = [lambda: scene.inbox.done.append("commit")]
        scene.work(body(GOOD_IP), "garbage")
        assert scene.inbox.done == ["receive", "commit", "bury", "delete", "receive"]

    def test_infractions_of_many_messages_are_judged_together(self, scene: Scene) -> None:
        scene.work(*(json.dumps(item) for item in items(GOOD_IP)))
        (ban,) = scene.ledger.history(who(GOOD_IP))
        assert [hit.id for hit in ban.evidence] == [f"{GOOD_IP}-{n}" for n in range(5)]
        assert scene.ledger.commits == 1

    def test_each_jail_judges_by_its_own_policy(self, scene: Scene) -> None:
        scene.work(body(GOOD_IP, 6, jail="slow"), body(OTHER_IP, 7, jail="slow"))
        assert scene.ledger.banned().keys() == {who(OTHER_IP, "slow")}

    def test_the_same_messages_again_change_nothing(self, scene: Scene) -> None:
        scene.work(body(GOOD_IP), body(OTHER_IP, 3))
        before = scene.ledger.history(who(GOOD_IP)), scene.ledger.record({who(OTHER_IP): []})
        scene.work(body(OTHER_IP, 3), body(GOOD_IP))
        assert (scene.ledger.history(who(GOOD_IP)), scene.ledger.record({who(OTHER_IP): []})) == before

    def test_a_ban_wakes_the_enforcer_and_nothing_else_does(self, scene: Scene) -> None:
        scene.work(body(GOOD_IP, 4))
        assert scene.wakes == 0
        scene.work(json.dumps({"ip": GOOD_IP, "id": "the fifth"}))
        assert scene.wakes == 1

    def test_hits_that_can_no_longer_count_are_forgotten(self, scene: Scene) -> None:
        scene.hit_for_days()
        assert len(scene.ledger.hits(who(GOOD_IP))) <= 2 * POLICY.defaults.hits_kept

    def test_a_backlog_is_judged_whole_however_many_bans_it_holds(self, scene: Scene) -> None:
        backlog = [
            {"ip": GOOD_IP, "at": NOW_S - 10 * DAY_S + 3600 * hour + n, "id": f"{hour}-{n}"}
            for hour in range(200)
            for n in range(5)
        ]
        scene.work(json.dumps(backlog))
        assert len(scene.ledger.history(who(GOOD_IP))) == 200


class TestOutages:
    def test_an_outage_of_the_ledger_holds_the_messages_and_then_judges_them(self, scene: Scene) -> None:
        scene.ledger.outage = [Unavailable("no answer"), Throttled("too often"), AccessDenied("no role")] * 3
        held: list[set[str]] = []
        scene.clock.on_wait = lambda: held.append(set(scene.inbox.in_flight))
        waiting, _ = scene.work(body(GOOD_IP), "garbage")
        assert held == [{waiting}] * 9
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert [call for call in scene.inbox.done if call != "receive"] == ["bury", "delete", "delete"]

    def test_an_outage_between_record_and_commit_bans_once(self, scene: Scene) -> None:
        scene.ledger.before_commit = [lambda: scene.ledger.outage.append(Unavailable("no answer"))]
        scene.work(body(GOOD_IP))
        assert len(scene.ledger.history(who(GOOD_IP))) == 1
        assert scene.inbox.left == set()

    @pytest.mark.parametrize("call", ["delete", "bury"])
    def test_an_outage_of_the_queue_is_waited_out(self, scene: Scene, call: str) -> None:
        scene.inbox.fail(call, Unavailable("no answer"), Missing("no such queue"))
        scene.work(body(GOOD_IP), "garbage")
        assert scene.inbox.fails[call] == []
        assert len(scene.inbox.dead) == len(scene.ledger.history(who(GOOD_IP))) == 1
        assert scene.inbox.left == set()

    def test_a_stop_during_an_outage_releases_the_messages_at_once(self, scene: Scene) -> None:
        scene.ledger.outage = [Unavailable("no answer")] * 99
        scene.stop_after(3)
        ids = scene.work(body(GOOD_IP), body(OTHER_IP))
        assert {message.id for message in scene.inbox.waiting} == set(ids)
        assert "delete" not in scene.inbox.done

    def test_a_release_that_fails_does_not_keep_the_worker_from_stopping(self, scene: Scene) -> None:
        scene.ledger.outage = [Unavailable("no answer")] * 99
        scene.inbox.fail("release", Unavailable("no answer"))
        scene.stop_after(1)
        ids = scene.work(body(GOOD_IP))
        assert scene.inbox.in_flight.keys() == set(ids)

    def test_a_stop_finishes_what_was_received(self, scene: Scene) -> None:
        scene.ledger.before_commit = [scene.stop.set]
        scene.work(body(GOOD_IP))
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.done == ["receive", "delete"]

    def test_waits_grow_to_a_bound_and_start_anew_after_a_success(self, scene: Scene) -> None:
        outage: list[F2bError | None] = [Unavailable("no answer")] * 10
        scene.inbox.fail("receive", *outage, None, Unavailable("no answer"))
        scene.work(body(GOOD_IP))
        waits_s = scene.clock.waits_s
        assert waits_s[:10] == sorted(waits_s[:10])
        assert 0.05 <= waits_s[0] <= 0.5
        assert waits_s[9] == BACKOFF_MAX_S
        assert waits_s[10] == waits_s[0]

    def test_an_outage_of_hours_ends_like_a_short_one(self, scene: Scene) -> None:
        scene.inbox.fail("receive", *[Unavailable("no answer")] * 1100)
        scene.work(body(GOOD_IP))
        assert sum(scene.clock.waits_s) > 5000
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}

    def test_messages_received_before_a_failing_receive_are_judged_all_the_same(self, scene: Scene) -> None:
        scene.inbox.fail("receive", None, Unavailable("no answer"))
        ids = scene.work(*(json.dumps(item) for item in items(GOOD_IP, 10)))
        assert len(ids) == 10
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.left == set()


class TestOneBadOffender:
    def test_what_the_ledger_refuses_for_good_is_buried_alone_and_the_rest_is_judged(self, scene: Scene) -> None:
        scene.ledger.refused = {who(BAD_IP): Invalid("an item of 400 KB")}
        before = counted("refused", reason="ledger_refused")
        mixed = json.dumps([*items(BAD_IP, 2), *items(OTHER_IP)])
        scene.work(body(GOOD_IP), mixed)
        (letter,) = scene.inbox.dead
        assert [item["id"] for item in json.loads(letter.body)] == [item["id"] for item in items(BAD_IP, 2)]
        assert {item["ip"] for item in json.loads(letter.body)} == {BAD_IP}
        assert letter.reason == "ledger_refused"
        assert scene.inbox.left == set()
        assert scene.ledger.banned().keys() == {who(GOOD_IP), who(OTHER_IP)}
        assert scene.clock.waits_s == []
        assert counted("refused", reason="ledger_refused") == before + 2

    def test_whose_state_cannot_be_read_is_buried_for_a_reason_of_its_own_that_names_the_item(
        self, scene: Scene
    ) -> None:
        scene.ledger.refused = {who(BAD_IP): Unreadable("offender", "offender#x state", "hits", "mend it")}
        scene.work(body(GOOD_IP), body(BAD_IP))
        (letter,) = scene.inbox.dead
        assert letter.reason == "state_unreadable"
        assert letter.detail == "item offender#x state: hits cannot be read; mend it"
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}

    def test_what_was_buried_for_the_ledgers_sake_can_be_sent_again(self, scene: Scene) -> None:
        scene.ledger.refused = {who(BAD_IP): Invalid("an item of 400 KB")}
        scene.work(body(BAD_IP))
        scene.ledger.refused = {}
        scene.work(scene.inbox.dead[0].body)
        assert scene.ledger.banned().keys() == {who(BAD_IP)}

    @pytest.mark.parametrize(
        "error",
        [Unavailable("no answer"), AccessDenied("no role"), Missing("no table"), Rejected("nobody listed this")],
    )
    def test_a_failure_that_is_not_the_offenders_own_keeps_nobodys_verdict_waiting(
        self, scene: Scene, error: F2bError
    ) -> None:
        scene.ledger.refused = {who(BAD_IP): error}
        scene.stop_after(3)
        _, waiting = scene.work(body(GOOD_IP), body(BAD_IP))
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.left == {waiting}

    def test_a_letter_that_sqs_refuses_keeps_its_message_in_the_queue(self, scene: Scene) -> None:
        scene.inbox.fail("bury", Rejected("too long"))
        ids = [scene.inbox.put(each) for each in ("garbage 1", "garbage 2", body(GOOD_IP))]
        scene.worker.turn(scene.worker.gather(), scene.stop)
        (letter,) = scene.inbox.dead
        assert scene.inbox.left == {*ids[:2]} - {letter.message_id}
        assert len(scene.inbox.left) == 1
        assert scene.clock.waits_s == []

    def test_a_burial_that_fails_midway_buries_nothing_twice(self, scene: Scene) -> None:
        scene.inbox.fail("bury", None, Unavailable("no answer"), None, Unavailable("no answer"))
        ids = scene.work("garbage 1", "garbage 2", "garbage 3")
        assert sorted(letter.message_id for letter in scene.inbox.dead) == sorted(ids)
        assert scene.inbox.left == set()

    def test_a_trim_that_fails_for_good_costs_tidiness_and_no_verdict(self, scene: Scene) -> None:
        scene.ledger.trim_fails = Rejected("not to be trimmed")
        scene.stop_after(1)
        scene.hit_for_days()
        assert len(scene.ledger.hits(who(GOOD_IP))) == 100
        assert scene.inbox.left == set()
        assert scene.clock.waits_s == []


class TestRaces:
    def test_a_ban_that_another_worker_stored_first_is_not_stored_again(self, scene: Scene) -> None:
        def other_worker_bans() -> None:
            evidence = tuple(Hit(item["at"] * 1000, item["id"]) for item in items(GOOD_IP))
            ban = Ban(evidence[-1].at_ms, evidence[-1].at_ms + 600_000, 1, 600_000, evidence=evidence)
            offender = Offender(frozenset(evidence))
            MemoryLedger.commit(scene.ledger, {who(GOOD_IP): Decision(offender, ban)})

        scene.ledger.before_commit = [other_worker_bans]
        scene.work(body(GOOD_IP))
        assert [ban.count for ban in scene.ledger.history(who(GOOD_IP))] == [1]
        assert scene.inbox.left == set()

    def test_a_hit_that_another_worker_records_meanwhile_extends_the_ban(self, scene: Scene) -> None:
        late = Hit(NOW_MS + 30 * SECOND_MS, "from another worker")
        scene.ledger.before_commit = [lambda: MemoryLedger.record(scene.ledger, {who(GOOD_IP): [late]})]
        scene.work(body(GOOD_IP))
        (ban,) = scene.ledger.history(who(GOOD_IP))
        assert ban.until_ms == ban.start_ms + ban.length_ms + 60 * SECOND_MS
        assert len(ban.evidence) == 5

    def test_a_contended_verdict_is_judged_again_until_it_stands(self, scene: Scene) -> None:
        def extend(seconds: int) -> None:
            hit = Hit(NOW_MS + seconds * SECOND_MS, f"at {seconds}")
            answer = MemoryLedger.record(scene.ledger, {who(GOOD_IP): [hit]})[who(GOOD_IP)]
            assert isinstance(answer, Offender)
            ban = (
                replace(answer.ban, until_ms=hit.at_ms + 600_000)
                if answer.ban
                else Ban(NOW_MS - 1000, hit.at_ms + 600_000, 1, 600_000)
            )
            MemoryLedger.commit(scene.ledger, {who(GOOD_IP): Decision(answer, ban)})

        scene.ledger.before_commit = [lambda seconds=seconds: extend(seconds) for seconds in (10, 20, 30, 40)]  # type: ignore[misc]
        scene.work(body(GOOD_IP), json.dumps({"ip": GOOD_IP, "at": NOW_S + 60, "id": "last"}))
        (ban,) = scene.ledger.history(who(GOOD_IP))
        assert ban.until_ms == ban.start_ms + ban.length_ms + 2 * 60 * SECOND_MS
        assert scene.inbox.left == set()


class TestLinger:
    def gather(self, scene: Scene, messages: int, **settings: Any) -> int:
        for number in range(messages):
            scene.inbox.put(str(number))
        return len(scene.intake(**settings).gather())

    def test_an_idle_queue_adds_no_wait_and_no_request(self, scene: Scene) -> None:
        assert self.gather(scene, 1) == 1
        assert scene.inbox.done == ["receive"]
        assert scene.clock.monotonic_s() == 0.0

    def test_a_busy_queue_is_drained_while_it_answers_in_full(self, scene: Scene) -> None:
        assert self.gather(scene, 34) == 34
        assert scene.inbox.done == ["receive"] * 4

    def test_a_flush_holds_so_many_messages_at_most(self, scene: Scene) -> None:
        assert self.gather(scene, 95, flush_messages=40) == 40

    def test_a_busy_worker_lingers_no_longer_than_told(self, scene: Scene) -> None:
        def slow_receive(*, wait_s: float) -> list[Message]:
            scene.clock.advance(0.04)
            return MemoryInbox.receive(scene.inbox, wait_s=wait_s)

        scene.inbox.receive = slow_receive  # type: ignore[method-assign]
        assert self.gather(scene, 95, linger_s=0.1) == 40

    def test_after_the_first_messages_it_waits_for_the_linger_at_most(self, scene: Scene) -> None:
        waits_s: list[float] = []

        def receive(*, wait_s: float) -> list[Message]:
            waits_s.append(wait_s)
            return MemoryInbox.receive(scene.inbox, wait_s=wait_s)

        scene.inbox.receive = receive  # type: ignore[method-assign]
        self.gather(scene, 20, poll_s=7, linger_s=0.5)
        assert waits_s == [7, 0, 0, 0.5]

    def test_few_messages_do_not_wait_for_others(self, scene: Scene) -> None:
        assert self.gather(scene, 5, linger_s=3600) == 5
        assert scene.inbox.done == ["receive"]
