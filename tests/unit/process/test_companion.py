"""What a worker hears of its companion, and what it tells it."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from f2b_worker.process.accompanying import Accompanied
from f2b_worker.process.companion import BEAT, LINE_BYTES_MAX, RELOAD, STOP, Companion, Silence, queued_s
from f2b_worker.testing import FakeClock


def test_lines_are_heard_whole_and_signs_of_life_are_none() -> None:
    heard: list[bytes] = []
    companion = Companion("test", "nothing", None, on_line=heard.append)
    rest = b""
    for part in (b".\n.\nsent we", b"b\n.\nfailed", b" mail\n."):
        rest = companion._hear(rest + part)
    assert heard == [b"sent web", b"failed mail"]
    assert rest == BEAT


def test_a_line_that_never_ends_fills_no_memory() -> None:
    companion = Companion("test", "nothing", None)
    rest = b""
    for _ in range(100):
        rest = companion._hear(rest + b"x" * 1000)
        assert len(rest) < LINE_BYTES_MAX


def test_what_the_worker_asks_for_is_called_in_its_order() -> None:
    ours, theirs = socket.socketpair()
    worker = Accompanied("given", [theirs.detach()])
    called: list[str] = []
    done = threading.Event()

    def stop() -> None:
        called.append("stop")
        done.set()
        threading.Event().wait()  # the end of the socket would end this process

    worker.follow(stop=stop, reload=lambda: called.append("reload"))
    ours.sendall(RELOAD + b"what nobody knows\n" + RELOAD + STOP)
    assert done.wait(10)
    assert called == ["reload", "reload", "stop"]
    worker.beat()
    worker.tell(b"a line")
    assert ours.recv(100) == b".\na line\n"
    ours.close()


def test_a_worker_that_reads_nothing_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    worker = Accompanied(None, [theirs.detach()])
    for _ in range(100_000):
        worker.beat()
    ours.close()
    worker.beat()
    worker._worker.close()


@pytest.mark.parametrize("orders", [1, 100_000])
def test_a_companion_that_reads_nothing_is_not_waited_for(orders: int) -> None:
    companion = Companion("test", "nothing", None)
    companion.reload()  # none runs
    companion._ours, theirs = socket.socketpair()
    for _ in range(orders):
        companion.reload()
    theirs.close()
    companion.reload()
    companion._ours.close()


class StopAtThePause(threading.Event):
    """Ends a companion where it would wait to be started again."""

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout
        self.set()
        return True


def test_each_death_is_counted_by_the_name_of_who_died() -> None:
    deaths = "f2b_companion_deaths_total", {"companion": "dashboard"}
    before = REGISTRY.get_sample_value(*deaths) or 0
    Companion("dashboard", "f2b_worker.no_such_module", None).run(StopAtThePause())
    assert REGISTRY.get_sample_value(*deaths) == before + 1


def test_who_waits_for_a_core_is_not_taken_for_one_that_hangs() -> None:
    clock, queued = FakeClock(), [7.0]
    silence = Silence(clock, lambda: queued[0])
    clock.advance(40.0)
    queued[0] += 38.0
    assert silence.lasts_s() == pytest.approx(2.0)
    clock.advance(40.0)
    assert silence.lasts_s() == pytest.approx(42.0)
    silence.begin()
    clock.advance(1.0)
    assert silence.lasts_s() == pytest.approx(1.0)


def test_the_kernel_tells_how_long_a_process_waited_for_a_core() -> None:
    _, queued_ns, _ = map(int, Path("/proc/self/schedstat").read_text("ascii").split())
    assert queued_s(os.getpid()) >= queued_ns / 1e9 > 0


def test_of_a_process_that_is_gone_nobody_knows_it() -> None:
    assert queued_s(2**22 + 1) == 0
