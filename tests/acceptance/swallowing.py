"""A way to a server that swallows what is sent, as a firewall or a NAT does that has forgotten a connection.

Nobody hears of it: no end, no reset. New connections are not taken while it swallows, and not refused, either: the
kernel answers no SYN to a socket whose queue is full.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKS_EVERY_S = 0.02


class Way:
    """What passes bytes on, or does not.

    Args:
        url: Where it leads.

    Attributes:
        url: Where it begins.
        swallows: Nothing passes, and nobody is let in.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 80)
        self._door = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.swallows = threading.Event()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._forgotten: list[socket.socket] = []
        self._crowd: list[socket.socket] = []
        self._ended = threading.Event()
        self._passing = threading.Thread(target=self._pass_on, daemon=True)
        self._passing.start()

    def swallow(self) -> None:
        """Let nothing pass from now on."""
        self.swallows.set()
        for _ in range(3):  # fill the queue, and leave nobody in
            one = socket.socket()
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(self._door.getsockname())
            self._crowd.append(one)

    def deliver(self) -> None:
        """Let new connections in, and what comes on them pass; those of before stay dead, and hear nothing."""
        self._forgotten += self._pairs
        self._pairs = {}
        for one in self._crowd:
            one.close()
        self._crowd = []
        self.swallows.clear()

    def close(self) -> None:
        """End all of it."""
        self._ended.set()
        self._passing.join()
        for one in (self._door, *self._pairs, *self._forgotten, *self._crowd):
            one.close()

    def _pass_on(self) -> None:
        while not self._ended.is_set():
            pairs = self._pairs
            if self.swallows.wait(0):
                self._ended.wait(_LOOKS_EVERY_S)
                continue
            ready, _, _ = select.select([self._door, *pairs], [], [], _LOOKS_EVERY_S)
            for one in ready:
                if self.swallows.is_set():
                    break
                if one is self._door:
                    self._let_in()
                else:
                    self._pass(one, pairs)

    def _let_in(self) -> None:
        near, _ = self._door.accept()
        far = socket.create_connection(self._to)
        self._pairs |= {near: far, far: near}

    def _pass(self, one: socket.socket, pairs: dict[socket.socket, socket.socket]) -> None:
        other = pairs.get(one)
        if other is None:  # it ended just now
            return
        with suppress(OSError):
            data = one.recv(65_536)
            if data:
                other.sendall(data)
                return
        for each in (one, other):
            pairs.pop(each).close()


@contextmanager
def way_to(url: str) -> Iterator[Way]:
    """Lay a way, for the time of the block."""
    way = Way(url)
    try:
        yield way
    finally:
        way.close()
