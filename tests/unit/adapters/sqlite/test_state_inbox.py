from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.inbox import DEAD_LETTERS_KEPT_MS, LATE_MS, POSTPONED_S, SqliteInbox, SqliteQueue
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.errors import Unavailable
from f2b_worker.ports import DeadLetter, Message
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path


def send(state: StateFile, inbox: SqliteInbox, *bodies: str) -> None:
    queue = SqliteQueue(state.safe_writer, SystemClock(), inbox.announce, state.place)
    assert asyncio.run(queue.send(bodies, within_s=1)) == [None] * len(bodies)


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


def test_a_message_wakes_who_waits_for_it(state: StateFile) -> None:
    inbox = SqliteInbox(state, SystemClock())
    assert inbox.receive(wait_s=0) == []
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(inbox.receive, wait_s=600)
        send(state, inbox, "one")
        assert bodies(waiting.result(30)) == ["one"]


def test_the_stop_lets_who_waits_go(state: StateFile) -> None:
    inbox = SqliteInbox(state, SystemClock())
    assert inbox.receive(wait_s=0) == []
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(inbox.receive, wait_s=600)
        inbox.close()
        assert waiting.result(30) == []


def test_messages_come_oldest_first_and_what_was_released_before_them(state: StateFile) -> None:
    inbox = SqliteInbox(state, SystemClock())
    send(state, inbox, "one", "two", "three")
    first = inbox.receive(wait_s=1)
    assert bodies(first) == ["one", "two", "three"]
    send(state, inbox, "four")
    inbox.release(first[1:])
    again = inbox.receive(wait_s=1)
    assert sorted(bodies(again)) == ["four", "three", "two"]


def test_after_a_death_all_comes_again_that_was_not_deleted_under_the_same_ids(tmp_path: Path) -> None:
    doomed = StateFile(tmp_path / "doomed.db")
    inbox = SqliteInbox(doomed, SystemClock())
    send(doomed, inbox, *map(str, range(15)))
    in_hand = inbox.receive(wait_s=1)
    inbox.delete(in_hand[:4])
    doomed.close()

    reborn = StateFile(tmp_path / "doomed.db")
    again = SqliteInbox(reborn, SystemClock())
    found = again.receive(wait_s=0) + again.receive(wait_s=0)
    assert bodies(found) == list(map(str, range(4, 15)))
    assert [message.id for message in found[:6]] == [message.id for message in in_hand[4:]]
    send(reborn, again, "new")
    (new,) = again.receive(wait_s=1)
    assert int(new.id) == 16  # an id names one message for ever, deleted or not
    reborn.close()


def test_what_cannot_be_stored_is_answered_so_and_may_be_tried_again(state: StateFile) -> None:
    told: list[str] = []
    queue = SqliteQueue(state.safe_writer, SystemClock(), lambda: told.append("news"), state.place)
    state.safe_writer.do("limiting", lambda file: file.execute("PRAGMA max_page_count = 1").fetchall())
    (outcome,) = asyncio.run(queue.send(["x" * 100_000], within_s=1))
    assert isinstance(outcome, Unavailable)
    assert "full" in str(outcome)
    assert told == []
    state.safe_writer.do("limiting", lambda file: file.execute("PRAGMA max_page_count = 9999").fetchall())
    assert asyncio.run(queue.send(["x" * 100_000], within_s=1)) == [None]
    asyncio.run(queue.check())


def test_nothing_more_is_wanted_while_the_oldest_message_waits_too_long(state: StateFile) -> None:
    clock = FakeClock()
    inbox = SqliteInbox(state, clock)
    assert inbox.overload() is None
    queue = SqliteQueue(state.safe_writer, clock, inbox.announce, state.place)
    asyncio.run(queue.send(["late"], within_s=1))

    clock.advance(LATE_MS / 1000)
    assert inbox.overload() is None
    clock.advance(1)
    assert inbox.overload() == "infractions wait for 61 s to be judged"

    inbox.delete(inbox.receive(wait_s=0))
    clock.advance(1)
    assert inbox.overload() is None


def test_what_waited_while_nobody_worked_overloads_nobody(state: StateFile) -> None:
    clock = FakeClock()
    queue = SqliteQueue(state.safe_writer, clock, lambda: None, state.place)
    asyncio.run(queue.send(["of yesterday"], within_s=1))
    clock.advance(DEAD_LETTERS_KEPT_MS / 1000)
    assert SqliteInbox(state, clock).overload() is None


def test_what_is_postponed_comes_again_before_it_passes_for_an_overload(state: StateFile) -> None:
    clock = FakeClock()
    inbox = SqliteInbox(state, clock)
    queue = SqliteQueue(state.safe_writer, clock, inbox.announce, state.place)
    asyncio.run(queue.send(["costly"], within_s=1))
    inbox.postpone(inbox.receive(wait_s=0))
    assert inbox.receive(wait_s=0) == []

    clock.advance(POSTPONED_S)

    assert [message.body for message in inbox.receive(wait_s=0)] == ["costly"]
    assert inbox.overload() is None


def test_dead_letters_are_kept_for_two_weeks(state: StateFile) -> None:
    clock = FakeClock()
    inbox = SqliteInbox(state, clock)
    inbox.bury([DeadLetter("[]", {"no_ip": 1}, "lone \ud800 surrogate", "1")])
    clock.advance(DEAD_LETTERS_KEPT_MS / 1000)
    inbox.bury([DeadLetter("[]", {"no_ip": 1}, "a", "2")])
    assert inbox.dead_letters() == 2
    clock.advance(1)
    inbox.bury([DeadLetter("[]", {"no_ip": 1}, "b", "3")])
    assert inbox.dead_letters() == 2
