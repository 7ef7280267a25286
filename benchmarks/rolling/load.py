"""Clients that report address after address, each once, until their standard input ends.

python -m benchmarks.rolling.load RATE_PER_S PORT [PORT …]

Each of them makes GETs and POSTs in turn: some over connections that they keep, and of these half look first
whether the other end was closed, as most HTTP libraries do, while half trust that it was not; some connect anew
each time. With several ports they go round, and to the next one where a connection is refused. They say
"reporting" on a line when all have been answered once. At the end they print as JSON what came of it.
"""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from itertools import count, cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLIENTS = 16
LOOKS, TRUSTS, ANEW = "looks", "trusts", "anew"
KINDS = (LOOKS, TRUSTS, LOOKS, ANEW, TRUSTS, LOOKS, TRUSTS, ANEW)
ADDRESSES = 1 << 24
"""Those of 199.0.0.0/8: none of them is special."""

ANSWERS_WITHIN_S = 30.0
GOOD = "200"
REFUSED = "refused"
CUT = "cut"
LATE = "late"


class Client:
    """A program that reports, one infraction at a time.

    Args:
        number: Makes its addresses others than those of its colleagues.
        ports: Where it reports to.
        every_s: How long from one report to the next.

    Attributes:
        answered: The addresses whose report was answered 200.
        outcomes: How often what came of a report, by status, method and kind of client.
        slowest_s: How long it waited for an answer, at most.
    """

    def __init__(self, number: int, ports: Sequence[int], every_s: float) -> None:
        self.answered: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._addresses = addresses(number)
        self._connections = {port: HTTPConnection("127.0.0.1", port, timeout=ANSWERS_WITHIN_S) for port in ports}
        self._turns = cycle(ports)
        self._every_s = every_s
        self._kind = KINDS[number % len(KINDS)]

    def go_on(self, begun: threading.Semaphore, stop: threading.Event) -> None:
        """Report until *stop*."""
        due_s = time.monotonic()
        for method in cycle(("GET", "POST")):
            self.report(next(self._addresses), method)
            begun.release()
            due_s = max(due_s + self._every_s, time.monotonic())
            if stop.wait(due_s - time.monotonic()):
                break
        for each in self._connections.values():
            each.close()

    def report(self, ip: str, method: str) -> None:
        """Report one address, and note what came of it."""
        began_s = time.monotonic()
        outcome = self._ask(ip, method)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        self.outcomes[f"{outcome} {method} {self._kind}"] += 1
        if outcome == GOOD:
            self.answered.append(ip)

    def _ask(self, ip: str, method: str) -> str:
        for port in islice(self._turns, len(self._connections)):
            connection = self._connections[port]
            try:
                open_again(connection, look=self._kind == LOOKS)
            except ConnectionRefusedError:
                continue
            except OSError:
                return CUT
            return self._answer_on(connection, ip, method)
        return REFUSED

    def _answer_on(self, connection: HTTPConnection, ip: str, method: str) -> str:
        try:
            send(connection, ip, method, keep=self._kind != ANEW)
            answer = connection.getresponse()
            answer.read()
        except TimeoutError:
            connection.close()
            return LATE
        except (OSError, HTTPException):
            connection.close()
            return CUT
        return str(answer.status)


def addresses(number: int) -> Iterator[str]:
    """Count addresses that no other client has for a million reports."""
    for place in count(number * (ADDRESSES // CLIENTS)):
        yield f"199.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}"


def open_again(connection: HTTPConnection, *, look: bool) -> None:
    """Connect where no connection is kept, or where a *look* shows that its other end was closed."""
    if look and connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
        connection.close()
    if connection.sock is None:
        connection.connect()


def send(connection: HTTPConnection, ip: str, method: str, *, keep: bool) -> None:
    """Send one report."""
    headers = {} if keep else {"Connection": "close"}
    if method == "GET":
        connection.request("GET", f"/infraction/{ip}", headers=headers)
    else:
        connection.request("POST", "/infractions", json.dumps({"ip": ip}), headers)


def main() -> None:
    """Do what the command line says."""
    rate_per_s, *ports = sys.argv[1:]
    to = [int(port) for port in ports]
    clients = [Client(number, to, CLIENTS / float(rate_per_s)) for number in range(CLIENTS)]
    begun, stop = threading.Semaphore(0), threading.Event()
    threads = [threading.Thread(target=client.go_on, args=(begun, stop)) for client in clients]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire()
    print("reporting", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps(summed_up(clients)))


def summed_up(clients: Sequence[Client]) -> dict[str, object]:
    """Sum up what came of all of them."""
    return {
        "outcomes": sum((client.outcomes for client in clients), Counter()),
        "slowest_s": round(max(client.slowest_s for client in clients), 3),
        "answered": [ip for client in clients for ip in client.answered],
    }


if __name__ == "__main__":
    main()
