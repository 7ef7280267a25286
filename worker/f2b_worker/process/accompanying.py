"""The other end of a companion: what it is told by its worker, and how it tells that it lives."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from f2b_worker.observe.log import finish
from f2b_worker.process.companion import BEAT, LINE_BYTES_MAX, RELOAD, STOP
from f2b_worker.process.priority import stand_back
from f2b_worker.signals import UNHEEDED, outlive

if TYPE_CHECKING:
    from collections.abc import Callable

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PART_DIED = 4
"""The exit code, as a worker has it."""

NICE = 10
"""How far it stands back where there are too few cores: judging and enforcing come first.

At 15 it is as good as dead on a busy machine: beside seven busy processes it gets a 200th of a core there, and a
66th at 10. So it goes no further where a judge of standalone mode, itself at 5, has started it.
"""

BEHIND = 5
"""At least so far it stands behind a worker that somebody set back himself."""

_GIVEN_UP_FIRST = "500"


class Accompanied:
    """The worker, as its companion sees it.

    Attributes:
        given: What it told at the start.
        handed: The sockets that it handed over.
    """

    def __init__(self, given: Any, numbers: list[int]) -> None:
        self.given = given
        own, *handed = numbers
        self.handed = [socket.socket(fileno=each) for each in handed]
        self._worker = socket.socket(fileno=own)

    def follow(
        self, *, stop: Callable[[], None], reload: Callable[[], None], end: Callable[[], None] = lambda: None
    ) -> None:
        """Hear the worker from now on, in a thread: what is given is called there.

        The end of the worker, however it comes, ends this process at once; *end* is called before.
        """
        threading.Thread(target=self._hear, args=(stop, reload, end), name="worker", daemon=True).start()

    def beat(self) -> None:
        """Tell that this process does its work; call it about once a second, from the loop that does it."""
        self.tell(BEAT)

    def tell(self, line: bytes) -> None:
        """Tell the worker a short line without a line break; from one thread only.

        A worker that is stopped reads nothing, and is not waited for: then the line is lost.
        """
        assert len(line) < LINE_BYTES_MAX
        with suppress(OSError):
            self._worker.send(line + b"\n", socket.MSG_DONTWAIT)

    def _hear(self, stop: Callable[[], None], reload: Callable[[], None], end: Callable[[], None]) -> None:
        # A killed worker that had not read all of our signs resets the connection instead of ending it.
        with suppress(OSError), self._worker.makefile("rb") as lines:
            for line in lines:
                if line == STOP:
                    stop()
                elif line == RELOAD:
                    reload()
        end()
        end_now()


def accompany() -> Accompanied:
    """Begin as the companion of the worker that started this process."""
    outlive(*UNHEEDED)
    given, numbers = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the worker
    threading.excepthook = end_with_a_part
    return Accompanied(given, numbers)


def give_way() -> None:
    """Let the judge have cores and memory first; call it once the log is configured."""
    stand_back(max(BEHIND, NICE - os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(OSError):  # where memory is short the kernel ends this process, and not the judge
        Path("/proc/self/oom_score_adj").write_text(_GIVEN_UP_FIRST)


def end_with_a_part(died: threading.ExceptHookArgs) -> None:
    """End this process with a thread that died of a defect: half of it helps nobody, and it is started anew."""
    name = died.thread.name if died.thread else "unknown"
    log.error("part_died", part=name, exc_info=died.exc_value)
    end_now(PART_DIED)


def end_now(code: int = 0) -> None:
    """End this process without waiting for threads, which may wait for AWS."""
    finish()
    os._exit(code)
