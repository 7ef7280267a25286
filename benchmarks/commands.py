"""How long an operator waits for `f2b` where 100,000 addresses are banned.

    python -m benchmarks.commands [--json] [--bans 100000] [--runs 5] [--only table]

A real worker with its enforcer works on the canned DynamoDB and the strict local WAF. `f2b import` bans the
addresses, and once all are in the IP sets each command is started some times, as from a shell. The same commands
run on a table without bans and on a state file with as many; `f2b --help` is what starting costs alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.enforcer.scene import COMMAND, NAME, Scene, addresses
from benchmarks.processes import BenchError
from benchmarks.report import machine, spread
from f2b_worker.adapters.sqlite.file import make_or_open
from localstack.local_aws import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MUST_S = {"--help": 0.15, "status": 1.0, "explain": 0.3, "list": 1.0, "banned": 0.4, "import": 60.0}
"""That of `explain` counts beyond what it takes where nobody is banned."""

TABLE = ("--table", NAME)
WITH_SETS = (*TABLE, "--ip-set", NAME)
IN_WAF_WITHIN_S = 180.0
NOBODY = "198.51.100.1"


def commands(someone: str, place: Sequence[str], sets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Make the commands that are measured, by name.

    Args:
        someone: An address that is banned, or not.
        place: The options that say where the bans are.
        sets: Those of commands that look at WAF, too.
    """
    return {
        "--help": ("--help",),
        "status": ("status", *sets),
        "explain": ("explain", someone, *place),
        "list": ("list", "--limit", "100", *sets),
        "banned": ("banned", someone, *place),
    }


def took_s(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """Run `f2b` once; tell how long it took.

    Raises:
        BenchError: If it could not do what was asked.
    """
    began_s = time.monotonic()
    done = subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)
    passed_s = time.monotonic() - began_s
    if done.returncode not in {0, 1}:
        raise BenchError(f"f2b {' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()}")
    return passed_s


def progress(what: str) -> None:
    """Say on standard error what is being done now."""
    print(f"{what} …", file=sys.stderr, flush=True)


def measured(
    where: str, each: Mapping[str, Sequence[str]], environment: Mapping[str, str], runs: int
) -> Iterator[dict[str, Any]]:
    """Run each command some times, in turn, so that what disturbs the machine disturbs all."""
    took: dict[str, list[float]] = {name: [] for name in each}
    for _ in range(runs):
        for name, arguments in each.items():
            took[name].append(took_s(arguments, environment))
    for name, times_s in took.items():
        yield {"where": where, "command": name, "seconds": spread(times_s, digits=2)}


def on_a_table(keys: Sequence[str], file: Path, runs: int) -> Iterator[dict[str, Any]]:
    """Measure on DynamoDB, without bans and with them."""
    someone = keys[len(keys) // 2].removesuffix("/32")
    with LocalAws() as aws, Scene(aws, "700000000001", capacity=len(keys) + 10_000, is_canned=True) as scene:
        scene.start_enforcing()
        progress("commands on a table without bans")
        yield from measured("table, 0 bans", commands(NOBODY, TABLE, WITH_SETS), scene.environment, runs)
        progress("import into the table")
        import_s = took_s(("import", str(file), "--reason", "bench", "--yes", *TABLE), scene.environment)
        yield {"where": f"table, {len(keys):,} bans", "command": "import", "seconds": spread([import_s], digits=2)}
        progress("until all bans are in WAF")
        scene.watch.wait_until_in(keys, IN_WAF_WITHIN_S)
        progress("commands on the table")
        each = commands(someone, TABLE, WITH_SETS)
        yield from measured(f"table, {len(keys):,} bans", each, scene.environment, runs)


def on_a_file(keys: Sequence[str], file: Path, runs: int) -> Iterator[dict[str, Any]]:
    """Measure on a state file."""
    someone, where = keys[len(keys) // 2].removesuffix("/32"), f"state file, {len(keys):,} bans"
    state = file.with_name("f2b.db")
    place = ("--state", str(state))
    environment = dict(os.environ)
    make_or_open(state).close()
    progress("import into a state file")
    import_s = took_s(("import", str(file), "--reason", "bench", "--yes", *place), environment)
    yield {"where": where, "command": "import", "seconds": spread([import_s], digits=2)}
    progress("commands on the state file")
    yield from measured(where, commands(someone, place, place), environment, runs)


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Write the table, as Markdown: medians, with the smallest and the largest."""
    places = list(dict.fromkeys(row["where"] for row in rows))
    found = {(row["command"], row["where"]): row["seconds"] for row in rows}
    yield f"| `f2b` | must be | {' | '.join(places)} |"
    yield f"|---|---|{'---|' * len(places)}"
    for command, must_s in MUST_S.items():
        beyond = " beyond 0 bans" if command == "explain" else ""
        told = [_told(found.get((command, where))) for where in places]
        yield f"| `{command}` | ≤ {must_s:g} s{beyond} | {' | '.join(told)} |"


def _told(seconds: Mapping[str, float] | None) -> str:
    return f"{seconds['median']:.2f} s ({seconds['min']:.2f}-{seconds['max']:.2f})" if seconds else ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--bans", default=100_000, show_default=True)
@click.option("--runs", default=5, show_default=True, help="How often each command is started.")
@click.option("--only", type=click.Choice(["table", "file"]), help="Only this one of the two.")
def main(*, as_json: bool, bans: int, runs: int, only: str | None) -> None:
    """Measure, and print what came out."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        file, keys = Path(name) / "list.txt", addresses(0, bans)
        file.write_text("".join(f"{key}\n" for key in keys))
        if only != "file":
            rows += on_a_table(keys, file, runs)
        if only != "table":
            rows += on_a_file(keys, file, runs)
    if as_json:
        click.echo(json.dumps({**machine(), "rows": rows}))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in machine().items()) + f", {runs} runs each\n")
    click.echo("\n".join(lines(rows)))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"benchmarks.commands: {error}")
