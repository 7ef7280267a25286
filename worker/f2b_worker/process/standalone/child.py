"""The process that serves HTTP, as the worker that starts it sees it.

It is a process of its own because of Python's lock: beside a busy judge in the same process, each of thousands of
requests a second would wait for the lock anew; together they made a fraction of the requests that they make apart.
"""

from __future__ import annotations

import json
import pickle
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from f2b_worker.errors import F2bError
from f2b_worker.signals import ORDERS, UNHEEDED, blocked

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from f2b_worker.adapters.sqlite.place import Place
    from f2b_worker.http.listening import Door
    from f2b_worker.shim.serve import Serving

LOOK_EVERY_S = 0.2
ENDS_WITHIN_S = 7.0
_ENDED_WITHIN_S = 1.0
NEWS = b"n"
DRAIN = "drain"
STOP = "stop"
PROBLEM = "problem"
OVERLOAD = "overload"


class HttpChild:
    """The process, and a socket to it: it says when it has stored something, and hears what keeps us from working.

    When either dies the other sees the end of the socket and ends, too.

    Args:
        how: What and where to serve.
        place: The file to store into.
        door: Already taken; it is the process's from now on.
    """

    def __init__(self, how: Serving, place: Place, door: Door) -> None:
        self._ours, theirs = socket.socketpair()
        handed = (door.listener, theirs)
        # A terminal and systemd signal every process. This one ends after the worker, which tells it when.
        with blocked(*ORDERS, *UNHEEDED):
            self._process = subprocess.Popen(
                # -P: whatever lies in the working directory is not imported.
                [sys.executable, "-P", "-m", "f2b_worker.process.standalone.http"],
                stdin=subprocess.PIPE,
                pass_fds=[each.fileno() for each in handed],
            )
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            owns_door = not door.is_handed_over
            pickle.dump((how, place.path, place.known, owns_door, *(each.fileno() for each in handed)), stdin)
        for each in handed:
            each.close()

    def run(
        self,
        stop: Event,
        leaving: Event,
        *,
        problem: Callable[[], str | None],
        overload: Callable[[], str | None],
        on_news: Callable[[], None],
    ) -> None:
        """Pass messages until *stop*, then end the process.

        Args:
            stop: Ends it.
            leaving: Set before that; it takes requests until the stop, and tells clients to go elsewhere.
            problem: Says what keeps the worker from its work, or None; requests are taken nevertheless.
            overload: Says why it can take nothing more, or None.
            on_news: Called soon after something was stored.

        Raises:
            F2bError: If the process ended without being asked to.
        """
        told: dict[str, str | None] = {PROBLEM: None, OVERLOAD: None}
        is_draining = False
        self._ours.settimeout(LOOK_EVERY_S)
        try:
            while not stop.is_set():
                if self._hears_news():
                    on_news()
                if leaving.is_set() and not is_draining:
                    self._say(DRAIN)
                    is_draining = True
                for what, current in ((PROBLEM, problem()), (OVERLOAD, overload())):
                    if current != told[what] and not stop.is_set():
                        self._say(what, current)
                        told[what] = current
        except OSError as error:
            if not stop.is_set():
                raise F2bError(f"the HTTP process {self._what_became_of_it(error)}") from error
        finally:
            self._end()

    def _hears_news(self) -> bool:
        try:
            heard = self._ours.recv(65_536)
        except TimeoutError:
            return False
        if not heard:
            raise ConnectionError("it closed its socket")
        return True

    def _what_became_of_it(self, error: OSError) -> str:
        if isinstance(error, TimeoutError):
            return "hangs: it reads nothing that it is told"
        try:
            code = self._process.wait(_ENDED_WITHIN_S)  # its socket is closed a little earlier
        except subprocess.TimeoutExpired:
            return "closed its socket, and has not ended"
        why = ": most often, the kernel ended it as memory was short" if code == -signal.SIGKILL else ""
        return f"ended with exit code {code}{why}"

    def _say(self, what: str, detail: str | None = None) -> None:
        self._ours.sendall(json.dumps([what, detail]).encode() + b"\n")

    def _end(self) -> None:
        with suppress(OSError):
            self._say(STOP)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ours.close()
