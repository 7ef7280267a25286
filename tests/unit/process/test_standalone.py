"""The two processes of standalone mode, each tested against the other end of its socket."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from f2b_worker.domain.judge.infractions import Infraction
from f2b_worker.errors import F2bError, Unavailable
from f2b_worker.process.standalone.child import NEWS, OVERLOAD, PROBLEM, HttpChild
from f2b_worker.process.standalone.http import Parent, StateOutbox
from f2b_worker.shim.app import make_app
from f2b_worker.testing import FakeClock, MemoryOutbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INFRACTION = Infraction("203.0.113.7", "default", 1_700_000_000_000, "")


class Ends:
    """A parent as the HTTP process sees it, and the worker's end of the socket."""

    def __init__(self) -> None:
        self.workers, self.theirs = socket.socketpair()
        self.workers.settimeout(30)
        self.parent = Parent(self.theirs, lambda: None, lambda: None)

    def say(self, what: str, detail: str | None) -> None:
        """Say something as the worker, and wait until it was heard."""
        self.workers.sendall(json.dumps([what, detail]).encode() + b"\n")
        while getattr(self.parent, what) != detail:
            pass


def ask(outbox: StateOutbox, path: str) -> tuple[int, str]:
    """Ask the application over *outbox*; answer status and text."""

    async def once() -> tuple[int, str]:
        transport = httpx.ASGITransport(make_app(outbox, FakeClock()))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shim") as http:
            answer = await http.get(path)
            return answer.status_code, answer.text

    return asyncio.run(once())


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    exits: list[int] = []
    monkeypatch.setattr("f2b_worker.process.standalone.http.os._exit", exits.append)
    made = Ends()
    yield made
    made.workers.close()
    made.parent.listening.join(30)
    made.theirs.close()
    assert exits == [1], "it outlived the worker"


def test_a_store_beyond_what_the_judge_can_do_is_refused_until_it_has_caught_up(ends: Ends) -> None:
    memory = MemoryOutbox()
    outbox = StateOutbox(memory, ends.parent)
    ends.say(OVERLOAD, "infractions wait for 61 s to be judged")
    with pytest.raises(Unavailable, match="wait for 61 s"):
        asyncio.run(outbox.store([INFRACTION]))
    with pytest.raises(Unavailable, match="wait for 61 s"):
        asyncio.run(outbox.check())
    assert memory.stored == []

    ends.say(OVERLOAD, None)
    asyncio.run(outbox.store([INFRACTION]))
    asyncio.run(outbox.check())
    assert memory.stored == [INFRACTION]


def test_a_client_reads_why_nothing_more_is_taken_as_readiness_says_it(ends: Ends) -> None:
    outbox = StateOutbox(MemoryOutbox(), ends.parent)
    ends.say(OVERLOAD, "infractions wait for 61 s to be judged")
    assert ask(outbox, "/readyz") == (503, "infractions wait for 61 s to be judged\n")
    assert ask(outbox, "/infraction/203.0.113.7") == (503, "infractions wait for 61 s to be judged; try again\n")


def test_a_client_reads_why_the_file_took_nothing(ends: Ends) -> None:
    memory = MemoryOutbox()
    memory.failure = Unavailable("storing infractions: database or disk is full")
    outbox = StateOutbox(memory, ends.parent)
    full = "storing infractions: database or disk is full"
    assert ask(outbox, "/infraction/203.0.113.7") == (503, f"{full}; try again\n")
    ends.say(PROBLEM, "the ledger cannot be written")  # for the same reason
    assert ask(outbox, "/readyz") == (503, f"{full}\n")


def test_a_worker_that_cannot_enforce_is_not_ready_and_takes_infractions_nevertheless(ends: Ends) -> None:
    memory = MemoryOutbox()
    outbox = StateOutbox(memory, ends.parent)
    ends.say(PROBLEM, "User: arn:aws:sts::123456789012:assumed-role/f2b/i-0abc is not authorized")
    assert ask(outbox, "/readyz") == (
        503,
        "infractions are taken, but the worker cannot do all of its work: its log and f2b status say why\n",
    )
    asyncio.run(outbox.store([INFRACTION]))
    assert memory.stored == [INFRACTION]


class Child(HttpChild):
    """The worker's view of a process that is not there: the test has its socket, and says how it ended."""

    def __init__(self, code: int | None) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._process: Any = self
        self._code = code

    def wait(self, within_s: float = 0.0) -> int:
        if self._code is None:
            raise subprocess.TimeoutExpired("python", within_s)
        return self._code

    def kill(self) -> None:
        self._code = -9

    def work(self, problem: Callable[[], str | None] = lambda: None) -> None:
        with closing(self.theirs):
            never = threading.Event()
            self.run(never, never, problem=problem, overload=lambda: None, on_news=lambda: None)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (-9, "the HTTP process ended with exit code -9: most often, the kernel ended it as memory was short"),
        (1, "the HTTP process ended with exit code 1"),
        (None, "the HTTP process closed its socket, and has not ended"),
    ],
)
def test_a_process_that_ended_is_told_with_its_exit_code(code: int | None, told: str) -> None:
    child = Child(code)
    child.theirs.close()
    with pytest.raises(F2bError) as raised:
        child.work()
    assert str(raised.value) == told


def test_a_process_that_hangs_is_not_said_to_have_ended() -> None:
    child, numbers = Child(None), count()
    with pytest.raises(F2bError) as raised:
        child.work(problem=lambda: f"{next(numbers)} {'x' * 100_000}")
    assert str(raised.value) == "the HTTP process hangs: it reads nothing that it is told"


def test_many_commits_wake_the_worker_twice_at_once_and_after_a_while(ends: Ends) -> None:
    async def store_much() -> None:
        for _ in range(500):
            ends.parent.tell_news()
        assert ends.workers.recv(65_536) == NEWS
        later = asyncio.get_running_loop().run_in_executor(None, ends.workers.recv, 65_536)
        assert await later == NEWS

    asyncio.run(store_much())


def test_a_worker_that_was_killed_with_news_unread_ends_the_process_that_serves(ends: Ends) -> None:
    async def tell() -> None:
        ends.parent.tell_news()

    asyncio.run(tell())
    ends.workers.close()  # what was not read resets the connection
    ends.parent.listening.join(30)
    assert not ends.parent.listening.is_alive()
