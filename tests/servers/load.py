"""Clients of an application: each request carries a note of its own, and who was answered 200 is remembered."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from itertools import count
from typing import NamedTuple, Self

CLIENTS = 4
PACE_S = 0.02
ANSWERED_WITHIN_S = 10.0
_GONE_PAUSE_S = 0.05


class Answered(NamedTuple):
    """One request that was answered 200.

    Attributes:
        at_s: When, by the monotonic clock.
        took_s: How long it took.
        pid: The process that answered.
    """

    at_s: float
    took_s: float
    pid: int


class Load:
    """Asks the application on *port* to report, again and again, over connections that are kept, until it is left.

    Attributes:
        answered: By note, what was answered 200: the report was made.
        unanswered: Notes of requests that were cut off or answered otherwise: the report may have been made.
        other: How often another status was answered.
    """

    def __init__(self, port: int, *, clients: int = CLIENTS, pace_s: float = PACE_S) -> None:
        self.answered: dict[str, Answered] = {}
        self.unanswered: set[str] = set()
        self.other: Counter[int] = Counter()
        self._port, self._pace_s = port, pace_s
        self._left = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(each,), daemon=True) for each in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each client end what it has begun."""
        self._left.set()
        for thread in self._threads:
            thread.join()

    @property
    def pids(self) -> set[int]:
        """The processes that answered."""
        return {each.pid for each in list(self.answered.values())}

    def p99_ms(self) -> float:
        """Return how long the slowest hundredth took at least."""
        took = sorted(each.took_s for each in self.answered.values())
        return 1000 * took[int(0.99 * len(took))]

    def slowest_ms(self) -> float:
        """Return how long the slowest took."""
        return 1000 * max(each.took_s for each in self.answered.values())

    def _ask(self, client: int) -> None:
        connection = _connection(self._port)
        for number in count():
            if self._left.wait(self._pace_s):
                break
            note = f"{client}-{number}"
            if not self._asked(connection, note):
                connection.close()
                self._left.wait(_GONE_PAUSE_S)
        connection.close()

    def _asked(self, connection: http.client.HTTPConnection, note: str) -> bool:
        try:
            if connection.sock is None:
                connection.connect()
        except OSError:  # nobody has seen the request
            return False
        started_s = time.monotonic()
        self.unanswered.add(note)
        try:
            connection.request("GET", f"/report/{note}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return False
        if response.status == http.HTTPStatus.OK:
            now_s = time.monotonic()
            self.answered[note] = Answered(now_s, now_s - started_s, int(body))
            self.unanswered.discard(note)
        else:
            self.other[response.status] += 1
        return True


def answers(port: int) -> bool:
    """Tell whether the application serves."""
    connection = _connection(port)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERED_WITHIN_S)
