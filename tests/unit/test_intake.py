"""The loop from messages to stored verdicts: nothing is lost, nothing is deleted too early."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY

from f2b_worker.domain.jails import MINUTE_MS, SECOND_MS, Jail, Policy, Window
from f2b_worker.domain.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import AccessDenied, F2bError, Missing, Rejected, Throttled, Unavailable
from f2b_worker.intake import BACKOFF_MAX_S, Intake
from f2b_worker.ports import DeadLetter, Message, Sentence
from f2b_worker.testing import FakeClock, MemoryInbox, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

NOW_MS = FakeClock().now_ms()
NOW_S = NOW_MS // 1000
DAY_S = 24 * 3600
FORTNIGHT_MS = 14 * DAY_S * 1000
SQS_MESSAGE_MAX_BYTES = 2**20
BAD_IP, GOOD_IP, OTHER_IP = "203.0.113.66", "203.0.113.7", "198.51.100.1"
POLICY = Policy(jails={"slow": Jail("slow", windows=(Window(7, 10 * MINUTE_MS),))})


def who(ip: str, jail: str = "default") -> OffenderId:
    return OffenderId(jail, f"{ip}/32")


def items(ip: str, count: int = 5, **more: Any) -> list[dict[str, Any]]:
    """Infractions of the last seconds; five of them ban by default."""
    return [{"ip": ip, "at": NOW_S - count + n, "id": f"{ip}-{n}", **more} for n in range(count)]


def body(ip: str, count: int = 5, **more: Any) -> str:
    return json.dumps(items(ip, count, **more))


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"f2b_{name}_total", labels) or 0.0


class WatchedClock(FakeClock):
    """Remembers every wait; whoever wants to act during one says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.waits_s.append(timeout_s)
        self.on_wait()
        return super().wait(event, timeout_s)


class Inbox(MemoryInbox):
    """A queue that says what was done, ends the work when it is empty, and fails where it is told to."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self.done: list[str] = []
        self.fails: dict[str, list[F2bError | None]] = {}
        self._stop = stop

    def fail(self, call: str, *errors: F2bError | None) -> None:
        """Make the next calls fail like that; None is a call that succeeds."""
        self.fails[call] = list(errors)

    def _enter(self, call: str) -> None:
        errors = self.fails.get(call, [])
        error = errors.pop(0) if errors else None
        if error:
            raise error
        self.done.append(call)
        assert len(self.done) < 1000, "the loop spins"

    def receive(self, *, wait_s: float) -> list[Message]:
        self._enter("receive")
        received = super().receive(wait_s=wait_s)
        if not received:
            self._stop.set()
        return received

    def delete(self, messages: Sequence[Message]) -> None:
        self._enter("delete")
        super().delete(messages)

    def release(self, messages: Sequence[Message]) -> None:
        self._enter("release")
        super().release(messages)

    def bury(self, letter: DeadLetter) -> None:
        self._enter("bury")
        super().bury(letter)

    @property
    def left(self) -> set[str]:
        """The ids of the messages that were not deleted."""
        return {*self.in_flight, *(message.id for message in self.waiting)}


class Ledger(MemoryLedger):
    """A ledger that refuses whom it is told to, and lets others act between its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[OffenderId, Exception] = {}
        self.outage: list[F2bError] = []
        self.trim_fails: F2bError | None = None
        self.before_commit: list[Callable[[], object]] = []
        self.commits = 0

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> dict[OffenderId, Offender | Exception]:
        return self._answer(hits, super().record)

    def commit(self, sentences: Mapping[OffenderId, Sentence]) -> dict[OffenderId, Offender | Exception]:
        self.commits += 1
        if self.before_commit:
            self.before_commit.pop(0)()
        return self._answer(sentences, super().commit)

    def _answer(self, asked: Mapping[OffenderId, Any], do: Callable[..., Any]) -> dict[OffenderId, Any]:
        if self.outage:
            error = self.outage.pop(0)
            return dict.fromkeys(asked, error)
        answers = do({who: what for who, what in asked.items() if who not in self.refused})
        return {who: self.refused.get(who) or answers[who] for who in asked}

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        if self.trim_fails:
            raise self.trim_fails
        super().trim(who, spent)

    def hits(self, who: OffenderId) -> frozenset[Hit]:
        answer = MemoryLedger.record(self, {who: []})[who]
        assert isinstance(answer, Offender)
        return answer.hits

    def banned(self) -> dict[OffenderId, Ban]:
        return {each.who: each.ban for each in self.standing()}


class Scene:
    """One worker's intake, and everything around it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.clock = WatchedClock()
        self.inbox = Inbox(self.stop)
        self.ledger = Ledger()
        self.wakes = 0
        self.worker = self.intake()

    def intake(self, **settings: Any) -> Intake:
        given: dict[str, Any] = {"max_age_ms": FORTNIGHT_MS, "on_ban": self._wake, **settings}
        return Intake(self.inbox, self.ledger, POLICY, self.clock, **given)

    def _wake(self) -> None:
        self.wakes += 1

    def work(self, *bodies: str) -> list[str]:
        """Put messages into the queue and work until it is empty; answer the messages' ids."""
        ids = [self.inbox.put(each) for each in bodies]
        self.worker.run(self.stop)
        self.stop.clear()
        return ids

    def hit_for_days(self) -> None:
        """Let somebody misbehave a hundred times, but too seldom for a ban."""
        for number in range(100):
            self.clock.advance(20 * 60)
            self.work(json.dumps({"ip": GOOD_IP, "at": self.clock.now_ms() / 1000, "id": str(number)}))

    def stop_after(self, waits: int) -> None:
        """Ask the worker to stop when it has waited so often."""

        def look() -> None:
            if len(self.clock.waits_s) >= waits:
                self.stop.set()

        self.clock.on_wait = look


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestBadInput:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('{"ip": "203.0.113.9"', "not_json"),
            ("", "not_json"),
            ("\x00\x01\xff\xfe", "not_json"),
            ("iVBORw0KGgoAAAANSUhEUg==", "not_json"),
            ("[" * 100_000, "not_json"),
            ("x" * 1_000_000, "not_json"),
            ('{"v": 2, "infractions": []}', "unknown_version"),
            ('{"v": "1", "ip": "203.0.113.9"}', "unknown_version"),
            ("[]", "empty"),
            ('{"v": 1, "id": "a", "t0_ms": 0, "dt_ms": [], "ip": []}', "empty"),
            ("42", "bad_shape"),
            ("null", "bad_shape"),
        ],
        ids=lambda value: value[:24],
    )
    def test_a_message_that_cannot_be_read_is_buried_whole_and_its_neighbours_judged(
        self, scene: Scene, text: str, reason: str
    ) -> None:
        before = counted("refused", reason=reason)
        _, bad_id, _ = scene.work(body(GOOD_IP), text, body(OTHER_IP))
        (letter,) = scene.inbox.dead
        assert (letter.body, letter.reason, letter.message_id) == (text, reason, bad_id)
        assert letter.detail
        assert len(letter.detail.splitlines()) == 1
        assert counted("refused", reason=reason) == before + 1
        assert scene.ledger.banned().keys() == {who(GOOD_IP), who(OTHER_IP)}
        assert scene.inbox.left == set()

    @pytest.mark.parametrize(
        ("item", "reason"),
        [
            ({"jail": "login"}, "no_ip"),
            ({"ip": "bad.example.com"}, "bad_address"),
            ({"ip": "999.1.1.1"}, "bad_address"),
            ({"ip": "10.0.0.0/8"}, "bad_address"),
            ({"ip": "203.0.113.9\x00"}, "bad_address"),
            ({"ip": None}, "bad_address"),
            ({"ip": 3405803785}, "bad_address"),
            ({"ip": "203.0.113.9", "at": NOW_S + 365 * DAY_S}, "in_future"),
            ({"ip": "203.0.113.9", "at": NOW_S + 301}, "in_future"),
            ({"ip": "203.0.113.9", "at": NOW_S - 15 * DAY_S}, "too_old"),
            ({"ip": "203.0.113.9", "at": "yesterday"}, "bad_time"),
            ({"ip": "203.0.113.9", "jail": "a jail"}, "bad_jail"),
            ({"ip": "203.0.113.9", "id": ""}, "bad_shape"),
            ("203.0.113.9", "bad_shape"),
        ],
        ids=str,
    )
    def test_a_wrong_item_is_buried_alone_and_the_others_of_its_pack_judged(
        self, scene: Scene, item: object, reason: str
    ) -> None:
        before = counted("refused", reason=reason)
        good = items(GOOD_IP)
        (message_id,) = scene.work(json.dumps([*good[:2], item, *good[2:]]))
        (letter,) = scene.inbox.dead
        assert (letter.reason, letter.message_id, len(json.loads(letter.body))) == (reason, message_id, 1)
        assert len(letter.detail.splitlines()) == 1
        assert counted("refused", reason=reason) == before + 1
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.left == set()

    def test_all_wrong_items_of_a_message_share_one_letter_that_counts_each(self, scene: Scene) -> None:
        before = counted("refused", reason="no_ip")
        scene.work(json.dumps([{}, *items(GOOD_IP), {"ip": "999.1.1.1"}, {"note": "none"}]))
        (letter,) = scene.inbox.dead
        assert letter.reasons == {"no_ip": 2, "bad_address": 1}
        assert counted("refused", reason="no_ip") == before + 2
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}

    def test_what_was_buried_counts_when_it_is_put_right_and_sent_again(self, scene: Scene) -> None:
        scene.work(json.dumps(items("999.1.1.1")))
        scene.work(scene.inbox.dead[0].body.replace("999.1.1.1", GOOD_IP))
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}

    def test_what_is_buried_fits_into_a_message(self, scene: Scene) -> None:
        addresses = [f"2001:db8:{number:x}:ffff:ffff:ffff:ffff:ffff" for number in range(10_000)]
        ahead_ms = NOW_MS + DAY_S * SECOND_MS
        pack = {"v": 1, "id": "pack-of-10000", "t0_ms": ahead_ms, "dt_ms": [0] * 10_000, "ip": addresses}
        text = json.dumps(pack, separators=(",", ":"))
        assert len(text) < SQS_MESSAGE_MAX_BYTES
        scene.work(text)
        assert sum(len(json.loads(letter.body)) for letter in scene.inbox.dead) == 10_000
        assert max(len(letter.body) for letter in scene.inbox.dead) < SQS_MESSAGE_MAX_BYTES - 1000

    def test_an_unknown_jail_is_judged_by_the_defaults_and_counted(self, scene: Scene) -> None:
        before = counted("unknown_jail")
        scene.work(body(GOOD_IP, jail="nobody-configured-it"))
        assert scene.ledger.banned().keys() == {who(GOOD_IP, "nobody-configured-it")}
        assert counted("unknown_jail") == before + 5
        assert scene.inbox.dead == []

    def test_an_infraction_of_nobody_who_may_be_banned_is_counted_and_gone(self, scene: Scene) -> None:
        before = counted("ignored", reason="own_range")
        scene.work(body("10.1.2.3"))
        assert counted("ignored", reason="own_range") == before + 5
        assert scene.ledger.banned() == {}
        assert (scene.inbox.dead, scene.inbox.left) == ([], set())


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
        ids = scene.work(body(GOOD_IP), "garbage")
        assert held == [set(ids)] * 9
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.done == ["receive", "bury", "delete", "receive"]

    def test_an_outage_between_record_and_commit_bans_once(self, scene: Scene) -> None:
        scene.ledger.before_commit = [lambda: scene.ledger.outage.append(Unavailable("no answer"))]
        scene.work(body(GOOD_IP))
        assert len(scene.ledger.history(who(GOOD_IP))) == 1
        assert scene.inbox.left == set()

    @pytest.mark.parametrize("call", ["delete", "bury"])
    def test_an_outage_of_the_queue_is_waited_out(self, scene: Scene, call: str) -> None:
        scene.inbox.fail(call, Unavailable("no answer"), Missing("no such queue"))
        scene.work(body(GOOD_IP), "garbage")
        assert len(scene.clock.waits_s) == 2
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

    def test_messages_received_before_a_failing_receive_are_judged_all_the_same(self, scene: Scene) -> None:
        scene.inbox.fail("receive", None, Unavailable("no answer"))
        ids = scene.work(*(json.dumps(item) for item in items(GOOD_IP, 10)))
        assert len(ids) == 10
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.left == set()


class TestOneBadOffender:
    def test_an_offender_whom_the_ledger_refuses_leaves_only_its_own_messages(self, scene: Scene) -> None:
        scene.ledger.refused = {who(BAD_IP): Rejected("an item of 400 KB")}
        before = counted("ledger_refused")
        mixed = json.dumps([*items(BAD_IP, 2), *items(OTHER_IP)])
        _, bad_id, mixed_id = scene.work(body(GOOD_IP), body(BAD_IP), mixed)
        assert scene.inbox.left == {bad_id, mixed_id}
        assert scene.ledger.banned().keys() == {who(GOOD_IP), who(OTHER_IP)}
        assert scene.clock.waits_s == []
        assert counted("ledger_refused") == before + 1

    @pytest.mark.parametrize("error", [Unavailable("no answer"), AccessDenied("no role"), Missing("no table")])
    def test_a_failure_that_is_not_the_offenders_own_keeps_nobodys_verdict_waiting(
        self, scene: Scene, error: F2bError
    ) -> None:
        scene.ledger.refused = {who(BAD_IP): error}
        scene.stop_after(3)
        ids = scene.work(body(GOOD_IP), body(BAD_IP))
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.left == set(ids)

    def test_a_letter_that_sqs_refuses_keeps_its_message_in_the_queue(self, scene: Scene) -> None:
        scene.inbox.fail("bury", Rejected("too long"))
        ids = scene.work("garbage 1", "garbage 2", body(GOOD_IP))
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
            MemoryLedger.commit(scene.ledger, {who(GOOD_IP): Sentence(offender, (ban,))})

        scene.ledger.before_commit = [other_worker_bans]
        scene.work(body(GOOD_IP))
        assert [ban.count for ban in scene.ledger.history(who(GOOD_IP))] == [1]
        assert scene.inbox.left == set()

    def test_a_hit_that_another_worker_records_meanwhile_extends_the_ban(self, scene: Scene) -> None:
        late = Hit(NOW_MS + 30 * SECOND_MS, "from another worker")
        scene.ledger.before_commit = [lambda: MemoryLedger.record(scene.ledger, {who(GOOD_IP): [late]})]
        scene.work(body(GOOD_IP))
        (ban,) = scene.ledger.history(who(GOOD_IP))
        assert ban.until_ms == late.at_ms + POLICY.defaults.bantime_ms
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
            MemoryLedger.commit(scene.ledger, {who(GOOD_IP): Sentence(answer, (ban,))})

        scene.ledger.before_commit = [lambda seconds=seconds: extend(seconds) for seconds in (10, 20, 30, 40)]  # type: ignore[misc]
        scene.work(body(GOOD_IP), json.dumps({"ip": GOOD_IP, "at": NOW_S + 60, "id": "last"}))
        (ban,) = scene.ledger.history(who(GOOD_IP))
        assert ban.until_ms == (NOW_S + 60) * 1000 + 600_000
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

    def test_only_the_first_receive_waits_for_messages(self, scene: Scene) -> None:
        waits_s: list[float] = []

        def receive(*, wait_s: float) -> list[Message]:
            waits_s.append(wait_s)
            return MemoryInbox.receive(scene.inbox, wait_s=wait_s)

        scene.inbox.receive = receive  # type: ignore[method-assign]
        self.gather(scene, 25, poll_s=7)
        assert waits_s == [7, 0, 0]
