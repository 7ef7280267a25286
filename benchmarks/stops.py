"""How long a worker takes to stop, and what becomes of the messages that it has in hand.

    python -m benchmarks.stops [--json] [--runs 30]

The real `f2b-worker --queue … --table …` runs as a process, or as a pool, against the canned AWS. When it is idle,
under an attack, or has a full hand of messages that wait for a budget, it gets a SIGTERM at a random moment. The
stop is timed until its parent has ended. A message that is in flight then was neither deleted nor released: it
waits for its visibility timeout.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.processes import BenchError, Canned, Process, aws_environment
from benchmarks.report import machine, show, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "f2b"
STOPS_WITHIN_S = 60.0
FILLS_WITHIN_S = 60.0
FULL_HAND = 10_100
"""A worker with more than 10,000 messages in hand receives no further ones; those under way make it so many."""

WAITING = ("--offenders-per-s", "1")
"""Strangers wait in hand for a budget that is spent."""

METHOD = "from SIGTERM to the end of the process, against canned SQS and DynamoDB; seconds"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a worker is doing when it is stopped.

    Attributes:
        attack: What it judges, if anything, in messages of *pack* infractions.
        in_hand: So many messages it has in hand at least.
        options: Further ones of the worker.
    """

    doing: str
    processes: int = 1
    attack: str = ""
    pack: int = 100
    in_hand: int = 0
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name it for people."""
        return f"{self.doing}, {'one process' if self.processes == 1 else f'a pool of {self.processes}'}"


SCENES = (
    Scene("idle"),
    Scene("idle", processes=2),
    Scene("botnet", attack="botnet"),
    Scene("botnet", processes=2, attack="botnet"),
    Scene("full hand", attack="botnet", pack=5, in_hand=FULL_HAND, options=WAITING),
)


@dataclass(frozen=True, slots=True)
class Stop:
    """What one stop came to."""

    took_s: float
    in_hand: int
    released: int
    left_in_flight: int


def stop_once(canned: Canned, folder: Path, scene: Scene, dice: random.Random) -> Stop:
    """Start a worker, bring it into the scene, stop it.

    Raises:
        BenchError: If it did not come so far, or did not end with code 0.
    """
    canned.ask("POST", "/reset")
    arguments = [
        "f2b_worker",
        "--queue",
        NAME,
        "--table",
        NAME,
        "--processes",
        str(scene.processes),
        *scene.options,
    ]
    with Process(arguments, aws_environment(canned.url), folder / "worker.log") as worker:
        canned.wait_until_received(worker, scene.processes)
        if scene.attack:
            canned.feed(scene.attack, scene.pack)
        fill_hand(canned, worker, scene.in_hand)
        time.sleep(dice.uniform(0.5, 1.5))
        in_hand = canned.counters()["in_flight"]
        began_s = time.monotonic()
        worker.popen.send_signal(signal.SIGTERM)
        code = worker.popen.wait(STOPS_WITHIN_S)
        took_s = time.monotonic() - began_s
    after = canned.counters()
    canned.feed(None)
    if code:
        raise BenchError(f"{scene.name}: it ended with {code}")
    return Stop(took_s, in_hand, after["waiting"], after["in_flight"])


def fill_hand(canned: Canned, worker: Process, messages: int) -> None:
    """Wait until a worker has so many messages in hand.

    Raises:
        BenchError: If it takes too long.
    """
    ends_s = time.monotonic() + FILLS_WITHIN_S
    while (in_hand := canned.counters()["in_flight"]) < messages:
        worker.must_live()
        if time.monotonic() > ends_s:
            raise BenchError(f"{in_hand} messages in hand after {FILLS_WITHIN_S:.0f} s, not {messages}")
        time.sleep(0.05)


def measure(scenes: Sequence[Scene], runs: int) -> dict[str, dict[str, Any]]:
    """Measure all scenes by turns; answer the figures of each by its name."""
    dice = random.Random(1)
    done: dict[str, list[Stop]] = {scene.name: [] for scene in scenes}
    with tempfile.TemporaryDirectory() as name, Canned(Path(name)) as canned:
        for turn in range(runs):
            for scene in scenes:
                stop = stop_once(canned, Path(name), scene, dice)
                done[scene.name].append(stop)
                click.echo(f"{turn + 1}/{runs} {scene.name:40} {stop.took_s:.2f} s", err=True)
    return {name: _figures(stops) for name, stops in done.items()}


def _figures(stops: Sequence[Stop]) -> dict[str, Any]:
    return {
        "seconds": spread([stop.took_s for stop in stops], 2),
        "in_hand": spread([stop.in_hand for stop in stops]),
        "released": spread([stop.released for stop in stops]),
        "left_in_flight": spread([stop.left_in_flight for stop in stops]),
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--only", default="", help="Only scenes whose name begins so.")
@click.option("--runs", default=30, show_default=True, help="How many stops of each kind.")
def main(*, as_json: bool, only: str, runs: int) -> None:
    """Measure, and print what came out."""
    scenes = [scene for scene in SCENES if scene.name.startswith(only)]
    show({**machine(), "method": METHOD, "runs": runs, **measure(scenes, runs)}, as_json=as_json)


if __name__ == "__main__":
    main()
