"""How fast the dashboard answers where 50,000 addresses are banned, what it costs when idle, and what it weighs.

    python -m benchmarks.dashboard [--json] [--bans 50000] [--runs 9] [--idle-s 60]

A real worker with its enforcer works on the canned DynamoDB and the strict local WAF, and has all bans in IP sets.
`f2b dashboard` runs beside it, as from a laptop. Each view is asked for some times, in turn. Then ten pages are
kept open as browsers do, by their streams, and the CPU that the dashboard takes is read from the kernel.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from benchmarks.enforcer.scene import NAME, Scene, addresses
from benchmarks.processes import STARTS_OR_SETTLES_WITHIN_S, BenchError, Process
from benchmarks.report import machine, spread
from localstack.local_aws import LocalAws
from localstack.server_process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MUST_MS = 300.0
MUST_IDLE_PERCENT = 2.0
MUST_KB = 150.0

IN_WAF_WITHIN_S = 180.0
SETTLES_S = 15.0
"""So long after its last question the dashboard may still be busy with what the question stirred up."""

_LINKED = re.compile(rb'(?:src|href)="(/static/[^"]+)"')


def views(someone: str) -> dict[str, str]:
    """Name the views that are measured, and where each is.

    Args:
        someone: An address that is banned.
    """
    return {
        "overview": "/",
        "bans": "/bans",
        "bans, last page by address": "/bans?sort=ip&page=1000",
        "bans, a network": "/bans?q=20.0.0.0/16",
        "bans, a jail": "/bans?q=login&sort=start",
        "bans, a state": "/bans?state=enforced",
        "bans, a note": "/bans?note=wp-login",
        "an address": f"/address/{someone}",
        "top networks": "/top?by=network",
        "top countries": "/top?by=country",
        "enforcer": "/enforcer",
        "queue": "/queue",
        "allowlist": "/allowlist",
        "audit": "/audit",
        "status.json": "/status.json",
        "bans.json": "/bans.json",
        "series.json": "/series.json?since=24h",
    }


OPEN = ("overview", "bans", "bans, a network", "an address", "top networks", "enforcer", "queue", "audit")
"""The pages that are kept open, the first two of them twice."""


class Dashboard:
    """`f2b dashboard` as a process, and a browser's connection to it."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        options = ("--queue", NAME, "--table", NAME, "--ip-set", NAME, "--port", str(self.port))
        self.process = Process(["f2b_worker.cli", "dashboard", *options], environment, folder / "dashboard.log")

    def wait(self) -> None:
        """Wait until it answers, and the enforcer has noted that the bans are in their IP sets."""
        ends_s = time.monotonic() + STARTS_OR_SETTLES_WITHIN_S
        while not self._is_ready():
            self.process.must_live()
            if time.monotonic() > ends_s:
                raise BenchError("the dashboard does not answer, or does not say of a ban that it is enforced")
            time.sleep(0.5)

    def _is_ready(self) -> bool:
        try:
            status, body, _ = self.get("/bans.json")
        except OSError:
            return False
        return status == http.HTTPStatus.OK and json.loads(body)["bans"][0]["state"] == "enforced"

    def get(self, path: str) -> tuple[int, bytes, float]:
        """Ask for something; answer status, body, and after how many milliseconds all of it was there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began_s = time.monotonic()
        connection.request("GET", path, headers={"Accept": "text/html,*/*", "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
        took_ms = (time.monotonic() - began_s) * 1000
        connection.close()
        return answer.status, body, took_ms

    def open_stream(self, page: str) -> socket.socket:
        """Keep a page up to date, as a browser does; nobody reads what comes, and it is not much."""
        stream = socket.create_connection(("127.0.0.1", self.port))
        head = f"GET /stream?page={quote(page, safe='')} HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n"
        stream.sendall(head.encode())
        if b" 200 " not in stream.recv(4096):
            raise BenchError(f"{page}: its stream does not begin")
        return stream


def progress(what: str) -> None:
    """Say on standard error what is being done now."""
    print(f"{what} …", file=sys.stderr, flush=True)


def answered(dashboard: Dashboard, asked: Mapping[str, str], runs: int) -> Iterator[dict[str, Any]]:
    """Ask for each view some times, in turn, so that what disturbs the machine disturbs all.

    The first time a view is made from all bans; later it is made anew only where something changed meanwhile.
    """
    took: dict[str, list[float]] = {name: [] for name in asked}
    sizes: dict[str, int] = {}
    for _ in range(runs):
        for name, path in asked.items():
            status, body, took_ms = dashboard.get(path)
            if status != http.HTTPStatus.OK:
                raise BenchError(f"{path}: status {status}: {body[-300:]!r}")
            took[name].append(took_ms)
            sizes[name] = len(body)
    for name, (first_ms, *later_ms) in took.items():
        yield {
            "view": name,
            "first_ms": round(first_ms),
            "milliseconds": spread(later_ms or [first_ms]),
            "kilobytes": round(sizes[name] / 1000, 1),
        }


def weight_kb(dashboard: Dashboard, path: str) -> float:
    """Weigh a page with all that it loads."""
    _, page, _ = dashboard.get(path)
    linked = {each.decode() for each in _LINKED.findall(page)}
    return round((len(page) + sum(len(dashboard.get(each)[1]) for each in linked)) / 1000, 1)


def idle_percent(dashboard: Dashboard, pages: Sequence[str], idle_s: float) -> float:
    """Keep pages open, and tell how much of a core that takes while nothing happens."""
    with ExitStack() as stack:
        for page in pages:
            stack.enter_context(dashboard.open_stream(page))
        time.sleep(SETTLES_S)
        before_s, began_s = dashboard.process.cpu_s(), time.monotonic()
        time.sleep(idle_s)
        used_s, passed_s = dashboard.process.cpu_s() - before_s, time.monotonic() - began_s
    return round(100 * used_s / passed_s, 2)


def resting_percent(dashboard: Dashboard, rest_s: float = 20.0) -> float:
    """Tell how much of a core it takes where nobody has looked for a while."""
    time.sleep(45.0)
    before_s, began_s = dashboard.process.cpu_s(), time.monotonic()
    time.sleep(rest_s)
    return round(100 * (dashboard.process.cpu_s() - before_s) / (time.monotonic() - began_s), 2)


def measured(bans: int, runs: int, idle_s: float) -> dict[str, Any]:
    """Make a fleet with so many bans, and measure its dashboard."""
    keys = addresses(0, bans)
    someone = keys[len(keys) // 2].removesuffix("/32")
    with (
        LocalAws() as aws,
        Scene(aws, "700000000002", capacity=bans + 10_000, is_canned=True) as scene,
        tempfile.TemporaryDirectory() as name,
    ):
        progress(f"{bans:,} bans")
        scene.ban_in_bulk(keys)
        scene.start_enforcing()
        scene.watch.wait_until_in(keys, IN_WAF_WITHIN_S)
        dashboard = Dashboard(scene.environment, Path(name))
        with dashboard.process:
            dashboard.wait()
            asked = views(someone)
            progress("each view")
            rows = list(answered(dashboard, asked, runs))
            progress("ten open pages, while nothing happens")
            pages = [asked[each] for each in (*OPEN, *OPEN[:2])]
            return {
                "bans": bans,
                "rows": rows,
                "weight_kb": {path: weight_kb(dashboard, path) for path in ("/", "/bans", asked["an address"])},
                "idle_percent": idle_percent(dashboard, pages, idle_s),
                "resting_percent": resting_percent(dashboard),
            }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Write what was measured, as Markdown: medians, with the smallest and the largest."""
    yield f"| view | must be | {found['bans']:,} bans, the first time | later | body |"
    yield "|---|---|---|---|---|"
    for row in found["rows"]:
        took = row["milliseconds"]
        told = f"{row['first_ms']} ms | {took['median']:.0f} ms ({took['min']:.0f}-{took['max']:.0f})"
        yield f"| {row['view']} | ≤ {MUST_MS:.0f} ms | {told} | {row['kilobytes']} KB |"
    yield ""
    for path, weight in found["weight_kb"].items():
        yield f"{path} with all that it loads: {weight} KB (≤ {MUST_KB:.0f} KB)"
    yield f"ten open pages, idle: {found['idle_percent']} % of a core (< {MUST_IDLE_PERCENT:.0f} %)"
    yield f"nobody looks: {found['resting_percent']} % of a core"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--bans", default=50_000, show_default=True)
@click.option("--runs", default=9, show_default=True, help="How often each view is asked for.")
@click.option("--idle-s", default=60.0, show_default=True, help="For how long the idle dashboard is watched.")
def main(*, as_json: bool, bans: int, runs: int, idle_s: float) -> None:
    """Measure, and print what came out."""
    found = measured(bans, runs, idle_s)
    if as_json:
        click.echo(json.dumps({**machine(), **found}))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in machine().items()) + f", {runs} runs each\n")
    click.echo("\n".join(lines(found)))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"benchmarks.dashboard: {error}")
