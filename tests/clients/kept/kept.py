"""Clients that keep their connections, in Python: requests and httpx. `programs.py` says what each does."""

from __future__ import annotations

import errno
import random
import sys
import threading
import time
from typing import TYPE_CHECKING

import httpx
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[str, str, str | None], int]

VARIANT, FIRST, NUMBER, PAUSE_MS, *URLS = sys.argv[1:]
PATIENCE_S = 20


def reports(client: int) -> Iterator[tuple[str, str, str, str | None]]:
    """Make up what one client reports: address, method, path, body."""
    for turn in range(1 << 16):
        ip = f"199.{int(FIRST) + client}.{turn >> 8}.{turn & 255}"
        if turn % 2:
            yield ip, "POST", "/infractions", f'{{"ip": "{ip}"}}'
        else:
            yield ip, "GET", f"/infraction/{ip}", None


def is_refused(error: BaseException | None) -> bool:
    """Tell whether nobody took the connection."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
            return True
        error = error.__cause__ or error.__context__
    return False


def go_on(client: int, ask: Ask) -> None:
    """Report until nobody listens at any place."""
    at = client
    for ip, method, path, body in reports(client):
        for _ in URLS:
            try:
                outcome = str(ask(method, URLS[at % len(URLS)] + path, body))
            except (requests.RequestException, httpx.HTTPError) as error:
                outcome = "refused" if is_refused(error) else f"broken {error!r}"
            if outcome != "refused":
                break
            at += 1
        else:
            return
        sys.stdout.write(f"{ip} {method} {outcome}\n")
        time.sleep(random.uniform(0, 2 * int(PAUSE_MS)) / 1000)


def by_requests() -> Ask:
    """Ask in a session of requests."""
    session = requests.Session()
    return lambda method, url, body: session.request(method, url, data=body, timeout=PATIENCE_S).status_code


def by_httpx() -> Ask:
    """Ask by a client of httpx."""
    client = httpx.Client(timeout=PATIENCE_S)
    return lambda method, url, body: client.request(method, url, content=body).status_code


sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # whoever started this counts
make = by_requests if VARIANT == "requests" else by_httpx
threads = [threading.Thread(target=go_on, args=(client, make())) for client in range(int(NUMBER))]
for each in threads:
    each.start()
