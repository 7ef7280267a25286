"""Several long polls side by side: nothing is lost, nothing is hoarded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import structlog

from f2b_worker.errors import AccessDenied, F2bError, Unavailable
from f2b_worker.intake.receivers import EMPTY_PAUSE_MAX_S, EMPTY_PAUSE_S, SILENT_S, EmptyAtOnce, Receivers
from f2b_worker.ports import RECEIVE_MAX
from f2b_worker.testing import FakeClock, MemoryInbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.ports import Message

THREADS = 3
PATIENCE_S = 20.0  # never waited for, unless something is broken


class Inbox(MemoryInbox):
    """A queue for several threads; an empty one lets them wait until something is put in, or the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.over = False
        self.polls: list[float] = []

    def fill(self, number: int) -> set[str]:
        with self.changed:
            ids = {self.put("{}") for _ in range(number)}
            self.changed.notify_all()
        return ids

    def receive(self, *, wait_s: float) -> list[Message]:
        with self.changed:
            self.polls.append(wait_s)
            self.changed.notify_all()
            if wait_s:
                self.changed.wait_for(lambda: self.waiting or self.failure or self.over, PATIENCE_S)
            return super().receive(wait_s=wait_s)

    def finish(self) -> None:
        with self.changed:
            self.over = True
            self.failure = None
            self.changed.notify_all()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def receivers(inbox: Inbox) -> Iterator[Receivers]:
    opened = Receivers(inbox, threads=THREADS, poll_s=5, clock=FakeClock())
    yield opened
    inbox.finish()
    opened.close()


def take(receivers: Receivers, number: int) -> list[str]:
    """Receive until *number* messages are there."""
    taken: list[str] = []
    while len(taken) < number:
        messages = receivers.receive(wait_s=PATIENCE_S)
        assert messages, f"only {len(taken)} messages came"
        taken += [message.id for message in messages]
    return taken


def test_every_message_comes_once(inbox: Inbox, receivers: Receivers) -> None:
    ids = inbox.fill(95)
    taken = take(receivers, 95)
    assert sorted(taken) == sorted(ids)


def test_who_does_not_want_to_wait_is_answered_at_once(receivers: Receivers) -> None:
    assert receivers.receive(wait_s=0) == []


def test_an_idle_queue_is_polled_by_one_only(inbox: Inbox, receivers: Receivers) -> None:
    inbox.fill(1)
    take(receivers, 1)
    assert set(inbox.polls) == {5}


def test_after_an_answer_that_was_not_full_a_poll_rests_and_the_next_brings_several(inbox: Inbox) -> None:
    receivers = Receivers(inbox, threads=1, poll_s=5, clock=FakeClock(), rest_s=PATIENCE_S)
    inbox.fill(3)
    take(receivers, 3)
    inbox.fill(3)
    assert receivers.receive(wait_s=0) == []
    assert inbox.polls == [5]
    receivers.close()  # does not wait for the end of the rest
    assert len(inbox.waiting) == 3


def test_after_a_full_answer_nobody_rests(inbox: Inbox) -> None:
    receivers = Receivers(inbox, threads=1, poll_s=5, clock=FakeClock(), rest_s=PATIENCE_S)
    inbox.fill(35)
    assert len(take(receivers, 35)) == 35
    receivers.close()


def test_while_nobody_takes_answers_nothing_more_is_received(inbox: Inbox, receivers: Receivers) -> None:
    inbox.fill(1000)
    take(receivers, 10)
    most = 10 + RECEIVE_MAX * 2 * THREADS  # taken, waiting to be taken, and one in each thread's hand
    assert len(inbox.in_flight) <= most


def test_a_poll_that_fails_is_told_and_the_next_one_works(inbox: Inbox, receivers: Receivers) -> None:
    inbox.failure = Unavailable("no answer")
    with pytest.raises(F2bError, match="no answer"):
        receivers.receive(wait_s=PATIENCE_S)
    inbox.failure = None
    ids = inbox.fill(3)
    taken: list[str] = []
    while len(taken) < 3:
        try:
            taken += take(receivers, 3 - len(taken))
        except Unavailable:  # other polls failed meanwhile
            continue
    assert set(taken) == ids


def test_a_failure_is_told_again_until_a_poll_is_answered(inbox: Inbox, receivers: Receivers) -> None:
    inbox.failure = Unavailable("no answer")
    for wait_s in (PATIENCE_S, 0, 0, 0):
        with pytest.raises(Unavailable, match="no answer"):
            receivers.receive(wait_s=wait_s)


def test_a_queue_that_answers_no_poll_is_told_as_silent_until_it_answers_one(inbox: Inbox) -> None:
    clock = FakeClock()
    receivers = Receivers(inbox, threads=1, poll_s=5, clock=clock)
    assert receivers.receive(wait_s=0) == []
    with inbox.changed:
        inbox.changed.wait_for(lambda: inbox.polls, PATIENCE_S)
    clock.advance(5 + SILENT_S)
    assert receivers.receive(wait_s=0) == []
    clock.advance(1)
    with pytest.raises(Unavailable, match="no answer of the queue for 11 s"):
        receivers.receive(wait_s=0)

    inbox.fill(1)
    assert len(take(receivers, 1)) == 1

    assert receivers.receive(wait_s=0) == []
    inbox.finish()
    receivers.close()


def test_what_nobody_took_is_released_at_the_end(inbox: Inbox) -> None:
    receivers = Receivers(inbox, threads=THREADS, poll_s=5, clock=FakeClock())
    ids = inbox.fill(100)
    taken = take(receivers, 10)
    inbox.finish()
    receivers.close()
    assert set(taken) | {message.id for message in inbox.waiting} == ids
    assert inbox.in_flight.keys() == set(taken)


def test_a_stop_waits_for_no_poll_and_what_it_brings_later_is_released(inbox: Inbox) -> None:
    receivers = Receivers(inbox, threads=1, poll_s=5, clock=FakeClock())
    assert receivers.receive(wait_s=0) == []
    with inbox.changed:
        inbox.changed.wait_for(lambda: inbox.polls, PATIENCE_S)

    receivers.end()
    assert receivers.receive(wait_s=PATIENCE_S) == []
    receivers.close()
    ids = inbox.fill(2)

    for thread in receivers._threads:
        thread.join(PATIENCE_S)
    assert {message.id for message in inbox.waiting} == ids


def test_a_stop_that_comes_while_the_polls_are_begun_is_a_stop_all_the_same(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivers = Receivers(inbox, threads=2, poll_s=5, clock=FakeClock())
    monkeypatch.setattr(receivers._threads[1], "start", receivers.close)
    receivers.receive(wait_s=0)
    assert receivers._closed


def test_a_stop_waits_longer_for_a_queue_that_has_messages(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("f2b_worker.intake.receivers.ENDS_WITHIN_S", 0.0)
    receivers = Receivers(inbox, threads=1, poll_s=5, clock=FakeClock())
    inbox.fill(RECEIVE_MAX)
    take(receivers, RECEIVE_MAX)
    with inbox.changed:
        inbox.changed.wait_for(lambda: len(inbox.polls) == 2, PATIENCE_S)
    (thread,) = receivers._threads
    wait, ids = thread.join, set()

    def is_answered_meanwhile(within_s: float) -> None:
        ids.update(inbox.fill(2))
        wait(within_s)

    monkeypatch.setattr(thread, "join", is_answered_meanwhile)
    receivers.close()

    assert not thread.is_alive()
    assert {message.id for message in inbox.waiting} == ids


def test_everything_else_goes_to_the_inbox(inbox: Inbox, receivers: Receivers) -> None:
    inbox.fill(2)
    first, second = (message for message in receivers.receive(wait_s=PATIENCE_S))
    receivers.keep([first])
    receivers.delete([first])
    receivers.release([second])
    assert inbox.kept == 1
    assert not inbox.in_flight


def test_a_stop_that_can_release_nothing_is_a_stop_all_the_same_and_says_when_the_messages_come_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivers = Receivers(inbox, threads=THREADS, poll_s=5, clock=FakeClock())
    inbox.fill(100)
    taken = take(receivers, 10)

    def refuse(_messages: object) -> None:
        raise AccessDenied("releasing messages: not authorized")

    monkeypatch.setattr(inbox, "release", refuse)
    inbox.finish()
    with structlog.testing.capture_logs() as logged:
        receivers.close()
    (line,) = [each for each in logged if each["event"] == "release_failed"]
    assert line["messages"] == len(inbox.in_flight) - len(taken) > 0
    assert line["reason"] == "releasing messages: not authorized"
    assert "come again after the visibility timeout" in line["remedy"]


def test_a_queue_that_is_empty_at_once_is_asked_ever_more_seldom_until_it_brings_something() -> None:
    for pace, took_s in ((EmptyAtOnce(0), 0.0), (EmptyAtOnce(0), 3.0), (EmptyAtOnce(5), 0.1)):
        pauses = [pace.pause_s(took_s, is_empty=True) for _ in range(9)]
        assert pauses[:3] == [EMPTY_PAUSE_S, 2 * EMPTY_PAUSE_S, 4 * EMPTY_PAUSE_S]
        assert pauses[-1] == EMPTY_PAUSE_MAX_S
        assert pace.pause_s(took_s, is_empty=False) == 0
        assert pace.pause_s(took_s, is_empty=True) == EMPTY_PAUSE_S


def test_a_poll_that_waited_for_a_message_is_followed_by_the_next_without_a_pause() -> None:
    pace = EmptyAtOnce(5)
    assert [pace.pause_s(5.0, is_empty=True) for _ in range(3)] == [0, 0, 0]
    assert [pace.pause_s(0.0, is_empty=False) for _ in range(3)] == [0, 0, 0]
