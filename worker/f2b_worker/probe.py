"""Tells whether the f2b of this container lives: ``python -m f2b_worker.probe``, the image's HEALTHCHECK.

It asks ``/healthz`` as a platform would, prints the answer as one line, and exits with 0 or 1. So "healthy" means
that the process answers, and that none of its parts has died or hangs. While AWS is away it stays healthy, because
a restart would not help. ``python -m f2b_worker.probe readyz`` also asks whether work gets done now.

It runs every half minute beside the work: it imports hardly anything, and knows nothing of the rest of f2b.
"""

from __future__ import annotations

import os
import socket
import sys
import time

WITHIN_S = 5.0
SHIM_PORT = 8000
PAGES = ("healthz", "readyz")
PORTS = 65536
ANSWER_BYTES_MAX = 16 * 1024

Place = tuple[str, int]
"""A host and a port, or the file of a UNIX socket and no port."""

_ALL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where who listens on all is asked
_ON = {"1", "true", "t", "yes", "y", "on"}  # as `config.values.is_on` has it


class Unwell(Exception):
    """It is not healthy, or cannot be asked; says why in one line."""


def main() -> None:
    """Ask, say the answer in one line, and exit with 0 or 1."""
    try:
        page, where, ends_s = _page(sys.argv[1:]), places(), time.monotonic() + WITHIN_S
        answers = [ask(page, each, ends_s) for each in where]
        print("; ".join(dict.fromkeys(answers)))  # noqa: T201 - a command's answer
    except Unwell as reason:
        print(f"f2b_worker.probe: {reason}")  # noqa: T201 - Docker shows what is printed here
        sys.exit(1)


def _page(asked: list[str]) -> str:
    page, *more = asked or PAGES[:1]
    if more or page not in PAGES:
        raise Unwell(f"give one of {', '.join(PAGES)}, or nothing")
    return page


def places() -> list[list[Place]]:
    """Say where the environment has health answered: a list for each process; its first that listens is asked.

    A worker answers on its port for metrics, a shim on the port that it serves. Which of them runs here is not
    known: the image sets the variable of the first for all. Standalone mode has both, and a process behind each.

    Raises:
        Unwell: If a port is none.
    """
    file = os.environ.get("F2B_UDS")
    served = (file, 0) if file else _place("F2B_HOST", "F2B_PORT", str(SHIM_PORT))
    if not os.environ.get("F2B_METRICS_PORT"):
        return [[served]]
    of_metrics = _place("F2B_METRICS_HOST", "F2B_METRICS_PORT", "")
    is_standalone = os.environ.get("F2B_STANDALONE", "").lower() in _ON
    return [[of_metrics], [served]] if is_standalone else [[of_metrics, served]]


def _place(host: str, port: str, default: str) -> Place:
    given, text = os.environ.get(host, ""), os.environ.get(port) or default
    if not (text.isascii() and text.isdigit() and 0 < int(text) < PORTS):
        raise Unwell(f"{port} is no port: {text!a}; give a number from 1 to {PORTS - 1}")
    return _ALL.get(given, given), int(text)


def ask(page: str, where: list[Place], ends_s: float) -> str:
    """Ask the first place where somebody listens, until *ends_s*; answer what it says in one line.

    Raises:
        Unwell: If nobody listens, or the answer is bad, or there is none in time.
    """
    for each in where:
        name = _name(each)
        try:
            connection = _connected(each, _left_s(ends_s))
        except (ConnectionRefusedError, FileNotFoundError):
            continue
        except TimeoutError as error:
            raise Unwell(_late(name)) from error
        except OSError as error:
            raise Unwell(f"{name}: {error.strerror or error}") from error
        except UnicodeError as error:
            raise Unwell(f"{each[0]!a} is no host: {error}") from error
        with connection:
            return _told(_answer(connection, page, ends_s, name))
    ports = " nor ".join(f"on port {port} of {host}" if port else f"at {host}" for host, port in where)
    raise Unwell(f"nobody listens {ports}: f2b does not run or still starts, or F2B_METRICS_PORT is another")


def _name(place: Place) -> str:
    host, port = place
    return f"{host} port {port}" if port else host


def _connected(place: Place, within_s: float) -> socket.socket:
    if place[1]:
        return socket.create_connection(place, timeout=within_s)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(within_s)
        connection.connect(place[0])
    except OSError:
        connection.close()
        raise
    return connection


def _answer(connection: socket.socket, page: str, ends_s: float, where: str) -> str:
    """Send the question, and read the answer to its end."""
    answer = b""
    try:
        connection.sendall(f"GET /{page} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        while len(answer) < ANSWER_BYTES_MAX:
            connection.settimeout(_left_s(ends_s))
            if not (data := connection.recv(ANSWER_BYTES_MAX)):
                break
            answer += data
    except TimeoutError as error:
        raise Unwell(_late(where)) from error
    except OSError as error:
        raise Unwell(f"{where}: {error.strerror or error}") from error
    return answer.decode("utf-8", "replace")


def _late(where: str) -> str:
    return f"{where}: no answer within {WITHIN_S:.0f} s: the process hangs"


def _left_s(ends_s: float) -> float:
    left_s = ends_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _told(answer: str) -> str:
    """Take the line out of a good answer."""
    head, end, body = answer.partition("\r\n\r\n")
    version, status = (*head.split(maxsplit=2), "", "")[:2]
    if not version.startswith("HTTP/"):
        raise Unwell("who answers on this port speaks no HTTP: is it another program's?")
    if not end:
        raise Unwell(f"the answer broke off after {answer!a}")
    line = " ".join(body.split())
    if status != "200":
        raise Unwell(f"{line or 'no reason'} (HTTP {status})")
    return line


if __name__ == "__main__":
    main()
