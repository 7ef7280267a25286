"""Clients that keep their connections, as HTTP libraries do, and tell what a stop of the server did to them."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connect = Callable[[], http.client.HTTPConnection]

ANSWERED_WITHIN_S = 20.0


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        answered: The addresses whose report was answered 200.
        others: The answers that were not.
        cut: What came instead of an answer, once a connection was there.
        told: How many answers said that they were the last ones of their connection.
        refused: How many clients found nobody to talk to.
        begun: How many clients have had an answer.
    """

    answered: list[str] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    told: int = 0
    refused: int = 0
    begun: int = 0

    @property
    def stored(self) -> int:
        """How many were answered 200."""
        return len(self.answered)


class KeptClients:
    """So many clients, each of which reports again and again until nobody takes its connection.

    Args:
        connect: Makes a connection that is not open yet.
        number: How many there are.
        pause_s: How long each rests between two requests.
        anew: So many of them connect anew each time.

    Attributes:
        number: How many there are.
        seen: What they saw so far.
    """

    def __init__(self, connect: Connect, number: int, pause_s: float = 0.0, *, anew: int = 0) -> None:
        self.number = number
        self.seen = Seen()
        self._connect = connect
        self._pause_s = pause_s
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._addresses: Iterator[int] = itertools.count()
        self._threads = [
            threading.Thread(target=self._report_on, args=(each >= anew,), daemon=True) for each in range(number)
        ]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.wait()

    def wait(self) -> Seen:
        """Wait until no client has anybody to talk to."""
        for each in self._threads:
            each.join(ANSWERED_WITHIN_S)
            assert not each.is_alive(), "a client waits for ever"
        return self.seen

    def _report_on(self, keeps: bool) -> None:
        connection = self._connect()
        has_begun = False
        while not self._ended.is_set():
            if connection.sock is None:
                try:
                    connection.connect()
                except OSError:  # the door is closed: nothing was asked
                    with self._lock:
                        self.seen.refused += 1
                    return
            self._report(connection)
            if not has_begun:
                has_begun = True
                with self._lock:
                    self.seen.begun += 1
            if not keeps:
                connection.close()
            self._ended.wait(self._pause_s)
        connection.close()

    def _report(self, connection: http.client.HTTPConnection) -> None:
        number = next(self._addresses)
        ip = f"199.{number >> 16}.{number >> 8 & 255}.{number & 255}"  # no worker spares it, as private ones
        try:
            connection.request("GET", f"/infraction/{ip}")
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            with self._lock:
                self.seen.cut.append(repr(error))
            return
        with self._lock:
            self.seen.told += answer.getheader("connection") == "close"
            if answer.status == 200:
                self.seen.answered.append(ip)
            else:
                self.seen.others.append((answer.status, text))


def at_port(port: int, within_s: float = ANSWERED_WITHIN_S) -> Connect:
    """Say how to connect to a port of this machine."""
    return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=within_s)


class OnSocketFile(http.client.HTTPConnection):
    """A connection to a UNIX socket."""

    def __init__(self, path: str, within_s: float = ANSWERED_WITHIN_S) -> None:
        super().__init__("shim", timeout=within_s)
        self._path = path

    def connect(self) -> None:
        """Open it."""
        opened = socket.socket(socket.AF_UNIX)
        opened.settimeout(self.timeout)
        try:
            opened.connect(self._path)
        except OSError:
            with suppress(OSError):
                opened.close()
            raise
        self.sock = opened
