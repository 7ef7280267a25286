"""What a body costs that means harm: the answer, the memory, and for how long a health check waits beside it.

    python -m benchmarks.shim.bodies [KIND …] [--at-once 20] [--json]

The real `f2b-shim` with `--body-bytes 4194304`, a new one for each kind of body, before a queue that answers at
once. Somebody asks for `/healthz` every few milliseconds, over a connection of his own and from another process.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from benchmarks.report import machine, show
from benchmarks.shim.bench import Bench, running

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
BODY_BYTES = 4 * MIB
NDJSON = "application/x-ndjson"
JSON = "application/json"
EVENT = b'{"detail-type":"x","time":"2026-01-01T00:00:00Z","detail":['
NOTE = b'{"ip":"1.2.3.4","note":"'
REQUEST_WITHIN_S = 300


class Kind(NamedTuple):
    """A kind of body."""

    what: str
    content_type: str
    make: Callable[[], bytes]
    encoding: str = ""


def _filled(first: bytes, more: bytes, last: bytes, size: int = BODY_BYTES) -> bytes:
    """Repeat *more* until the body is nearly *size* bytes long."""
    return first + more * ((size - len(first) - len(last)) // len(more)) + last


def _distinct(size: int) -> bytes:
    lines = (b'{"ip":"198.%d.%d.%d"}\n' % (n >> 16, n >> 8 & 255, n & 255) for n in range(size // 24))
    return b"".join(lines)


def _empty_objects(first: bytes, last: bytes, size: int = BODY_BYTES) -> bytes:
    return _filled(first + b"{}", b",{}", last, size)


KINDS = {
    "bad-lines-512k": Kind("lines that are no JSON", NDJSON, lambda: b"x\n" * (MIB // 4)),
    "bad-lines": Kind("lines that are no JSON", NDJSON, lambda: b"x\n" * (BODY_BYTES // 2)),
    "bad-addresses": Kind("lines with no address", NDJSON, lambda: _filled(b"", b'{"ip":"x"}\n', b"")),
    "blank-lines": Kind("empty lines", NDJSON, lambda: b"\n" * BODY_BYTES),
    "good-512k": Kind("lines that can be stored", NDJSON, lambda: _distinct(MIB // 2)),
    "good": Kind("lines that can be stored", NDJSON, lambda: _distinct(BODY_BYTES)),
    "list": Kind("a list of empty objects", JSON, lambda: _empty_objects(b"[", b"]")),
    "numbers": Kind("a list of numbers", JSON, lambda: _filled(b"[1", b",1", b"]")),
    "deep": Kind("lists in lists", JSON, lambda: _filled(b"[[[[[]]]]", b",[[[[]]]]", b"]")),
    "object": Kind("one object", JSON, lambda: _empty_objects(b'{"ip":"1.2.3.4","a":[', b"]}")),
    "event": Kind("an event around a list", JSON, lambda: _empty_objects(EVENT, b"]}")),
    "event-512k": Kind("an event around a list", JSON, lambda: _empty_objects(EVENT, b"]}", MIB // 2)),
    "text": Kind("a list in quotes", JSON, lambda: _empty_objects(b'"[', b']"')),
    "base64": Kind("base64 of a list", JSON, lambda: base64.b64encode(_empty_objects(b"[", b"]", 3 * MIB - 8))),
    "escapes": Kind("a text with wrong escapes", JSON, lambda: _filled(NOTE, b"\\x", b'"}')),
    "escapes-512k": Kind("a text with wrong escapes", JSON, lambda: _filled(NOTE, b"\\x", b'"}', MIB // 2)),
    "texts-512k": Kind("texts that are all mended", JSON, lambda: _filled(b'{"a":[NaN', b',""', b"]}", MIB // 2)),
    "gzip": Kind("a list, packed", JSON, lambda: gzip.compress(_empty_objects(b"[", b"]")), "gzip"),
    "bomb": Kind("much more than may be, packed", JSON, lambda: gzip.compress(b"[" * (100 * MIB)), "gzip"),
}


def measure(kind: Kind, at_once: int) -> dict[str, Any]:
    """Send a body *at_once* times at the same time to a new shim."""
    body = kind.make()
    with running("--body-bytes", str(BODY_BYTES)) as bench, ThreadPoolExecutor(at_once) as threads:
        before_mb = bench.resident_mb()
        prober = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, "probe", str(bench.port)], stdin=-1, stdout=-1
        )
        assert prober.stdout is not None
        prober.stdout.readline()
        time.sleep(0.1)  # it has asked a few times
        began_s, began_cpu_s = time.perf_counter(), bench.cpu_s()
        answers = list(threads.map(lambda _: _send(bench, body, kind), range(at_once)))
        took_s = time.perf_counter() - began_s
        told, _ = prober.communicate(b"")
        return {
            "body_bytes": len(body),
            "statuses": sorted({status for status, _ in answers}),
            "answer_bytes": max(size for _, size in answers),
            "took_s": round(took_s, 2),
            "shim_cpu_s": round(bench.cpu_s() - began_cpu_s, 2),
            "memory_mb": round(_peak_mb(bench) - before_mb, 1),
            "health_check_worst_ms": round(float(told), 1),
        }


def _send(bench: Bench, body: bytes, kind: Kind) -> tuple[int, int]:
    connection = http.client.HTTPConnection("127.0.0.1", bench.port, timeout=REQUEST_WITHIN_S)
    headers = {"Content-Type": kind.content_type} | ({"Content-Encoding": kind.encoding} if kind.encoding else {})
    try:
        connection.request("POST", "/infractions", body, headers)
        answer = connection.getresponse()
        return answer.status, len(answer.read())
    except OSError:
        return 0, 0
    finally:
        connection.close()


def _peak_mb(bench: Bench) -> float:
    lines = Path(f"/proc/{bench.shim_pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def probe(port: int) -> None:
    """Ask for `/healthz` until standard input ends; print how long the slowest answer took, in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_WITHIN_S)
    worst_s = 0.0
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], 0.003)[0]:
        began_s = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        worst_s = max(worst_s, time.perf_counter() - began_s)
    print(worst_s * 1000)


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(list(KINDS)))
@click.option("--at-once", default=1, show_default=True, help="So many at the same time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(kinds: tuple[str, ...], at_once: int, *, as_json: bool) -> None:
    """Measure, and print what came out."""
    found = {name: measure(KINDS[name], at_once) for name in kinds or KINDS}
    show(machine() | found, as_json=as_json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["probe"]:
        probe(int(sys.argv[2]))
    else:
        main()
