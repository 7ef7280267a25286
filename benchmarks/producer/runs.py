"""The measurements of `benchmarks.producer`, one a process: ``python -m benchmarks.producer.runs report``."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import Canned, aws_environment
from f2b_producer import Producer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

THREADS = 8
CALLS_PER_S = 100_000
SECONDS = 4.0
TICK_S = 0.001
LOOP_CALLS_PER_S = 10_000  # of one event loop: more requests than one can serve
PROBE_S = 0.002
REQUESTS = 20_000
STARTS = 9
PAGE_MB = resource.getpagesize() / 1e6
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/f2b"
IPS = [f"198.18.{n >> 8}.{n & 255}" for n in range(4_096)]


class AtOnce:
    """Confirms at once and keeps nothing."""

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Any:  # noqa: ARG002, N803 - boto3's names
        """Confirm all."""
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


def paced(calls_per_s: float, seconds: float, call: Callable[[int], None]) -> None:
    """Make so many calls a second, those that are due at every tick."""
    started_s = time.perf_counter()
    done = 0
    while (elapsed_s := time.perf_counter() - started_s) < seconds:
        for number in range(done, due := int(elapsed_s * calls_per_s)):
            call(number)
        done = due
        time.sleep(TICK_S)


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which so large a share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure_report() -> dict[str, float]:
    """Eight threads make 100,000 calls a second together; each call is timed."""
    f2b = Producer(URL, client=AtOnce())
    f2b.report("198.18.0.0", "login")  # the thread is there
    taken_ns = [array("q") for _ in range(THREADS)]

    def work(mine: array[int]) -> None:
        clock, report, keep = time.perf_counter_ns, f2b.report, mine.append

        def call(number: int) -> None:
            ip = IPS[number & 4_095]
            before_ns = clock()
            report(ip, "login")
            keep(clock() - before_ns)

        paced(CALLS_PER_S / THREADS, SECONDS, call)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in taken_ns]
    started_s, cpu_s = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    f2b.close()
    stats = f2b.stats()
    taken_us = [ns / 1_000 for mine in taken_ns for ns in mine]
    return {
        "median µs": quantile(taken_us, 0.5),
        "p99 µs": quantile(taken_us, 0.99),
        "p99.9 µs": quantile(taken_us, 0.999),
        "thousand calls a second": len(taken_us) / elapsed_s / 1_000,
        "dropped, percent": 100 * stats.dropped / stats.accepted,
        "cores, all that this process did": cpu_s / elapsed_s,
    }


async def _lags_ms(work: Callable[[], Awaitable[None]]) -> list[float]:
    """Return how much too late a loop woke a sleeper while *work* was done in it."""
    lags_ms: list[float] = []
    working = asyncio.ensure_future(work())
    while not working.done():
        before_s = time.perf_counter()
        await asyncio.sleep(PROBE_S)
        lags_ms.append((time.perf_counter() - before_s - PROBE_S) * 1_000)
    await working
    return lags_ms


async def _loop_work(call: Callable[[int], None]) -> None:
    started_s = time.perf_counter()
    done = 0
    while (elapsed_s := time.perf_counter() - started_s) < SECONDS:
        for number in range(done, due := int(elapsed_s * LOOP_CALLS_PER_S)):
            call(number)
        done = due
        await asyncio.sleep(TICK_S)


def _loop_lags(f2b: Producer | None) -> list[float]:
    if f2b is None:
        return asyncio.run(_lags_ms(lambda: _loop_work(lambda _: None)))
    with f2b:
        return asyncio.run(_lags_ms(lambda: _loop_work(lambda n: f2b.report(IPS[n & 4_095], "login"))))


def measure_asyncio() -> dict[str, float]:
    """A loop that reports 10,000 times a second, beside one that does the same without reporting."""
    idle, at_once = _loop_lags(None), _loop_lags(Producer(URL, client=AtOnce()))
    with tempfile.TemporaryDirectory() as folder, Canned(Path(folder)) as aws:
        os.environ |= aws_environment(aws.url)
        cold = _loop_lags(Producer(f"{aws.url}/000000000001/f2b"))  # first, as it loads boto3
        warm = Producer(f"{aws.url}/000000000001/f2b")
        warm.warm_up()
        warmed_up = _loop_lags(warm)
        sent = warm.stats().sent / warm.stats().accepted
    return {
        "idle loop, p99.9 ms": quantile(idle, 0.999),
        "idle loop, most ms": max(idle),
        "lag, p99.9 ms": quantile(at_once, 0.999),
        "lag, most ms": max(at_once),
        "lag over idle, p99.9 ms": quantile(at_once, 0.999) - quantile(idle, 0.999),
        "with boto3, p99.9 ms": quantile(warmed_up, 0.999),
        "with boto3, most ms": max(warmed_up),
        "with boto3, sent percent": 100 * sent,
        "without warm_up, most ms": max(cold),
    }


FULL = f"""
import gc, time

def resident_mb():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * {PAGE_MB}

class Away:
    def send_message_batch(self, **_):
        raise ConnectionError

empty_mb = resident_mb()
from f2b_producer import Producer
f2b = Producer("memory:", client=Away(), flush_timeout_s=0)
for number in range(200_000):
    f2b.report(f"198.{{number >> 16}}.{{number >> 8 & 255}}.{{number & 255}}", "login")
time.sleep(1.0)
print(resident_mb() - empty_mb, f2b.health().fullness)
"""


def measure_memory() -> dict[str, float]:
    """A bare process whose queue is away fills its buffer with addresses that are all different."""
    ended = subprocess.run([sys.executable, "-c", FULL], check=True, text=True, capture_output=True)
    full_mb, fullness = map(float, ended.stdout.split())
    return {"full buffer, MB": full_mb, "fullness": fullness}


def measure_import() -> dict[str, float]:
    """A whole process that imports the package, less one that does nothing; they take turns."""
    codes = ["pass", "import f2b_producer", "from f2b_producer import Producer; Producer('memory:')"]
    cpu_ms: dict[str, list[float]] = {code: [] for code in codes}
    for code in codes * STARTS:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_ms[code].append(1_000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    nothing, imported, made = (quantile(cpu_ms[code], 0.5) for code in codes)
    return {"CPU ms": imported - nothing, "and a Producer made, CPU ms": made - nothing}


def _each_us(serve: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    for _ in range(REQUESTS):
        serve()
    return (time.perf_counter() - started_s) / REQUESTS * 1e6


def _asgi_us(wrap: Callable[[Any], Any], status: int) -> float:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b""})

    async def nothing(_message: Any = None) -> Any:
        return None

    served = wrap(app)
    headers = [(b"host", b"shop"), (b"accept", b"*/*"), (b"x-forwarded-for", b"6.6.6.6, 203.0.113.7")]

    def serve() -> None:
        scope = {"type": "http", "headers": headers, "client": ("10.0.0.1", 4711)}
        try:
            served(scope, nothing, nothing).send(None)
        except StopIteration:
            return

    return _each_us(serve)


def _wsgi_us(wrap: Callable[[Any], Any], status: str) -> float:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [])
        return [b""]

    served = wrap(app)

    def serve() -> None:
        environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "6.6.6.6, 203.0.113.7"}
        served(environ, lambda *_: None)

    return _each_us(serve)


def measure_middleware() -> dict[str, float]:
    """An application that does nothing, with the middleware less without it."""
    from f2b_producer import asgi, wsgi  # noqa: PLC0415 - not for the other measurements

    with Producer(URL, client=AtOnce()) as f2b:

        def around_asgi(app: Any) -> Any:
            return asgi.F2BMiddleware(app, f2b, statuses={404: "scan"}, trusted_hops=1)

        def around_wsgi(app: Any) -> Any:
            return wsgi.F2BMiddleware(app, f2b, statuses={404: "scan"}, trusted_hops=1)

        def bare(app: Any) -> Any:
            return app

        return {
            "ASGI, µs a request": _asgi_us(around_asgi, 200) - _asgi_us(bare, 200),
            "ASGI and a report, µs": _asgi_us(around_asgi, 404) - _asgi_us(bare, 404),
            "WSGI, µs a request": _wsgi_us(around_wsgi, "200 OK") - _wsgi_us(bare, "200 OK"),
            "WSGI and a report, µs": _wsgi_us(around_wsgi, "404 Not Found") - _wsgi_us(bare, "404 Not Found"),
        }


MEASUREMENTS: dict[str, Callable[[], dict[str, float]]] = {
    "report": measure_report,
    "asyncio": measure_asyncio,
    "memory": measure_memory,
    "import": measure_import,
    "middleware": measure_middleware,
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]]()))
