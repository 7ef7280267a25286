"""Real clients that keep their connections, and report again and again until nobody listens any more.

Each is called with the name of its variant (one library, or one way to use it), the number of its first client,
how many clients it is, how long they rest between two reports (at random: this on average), and the URLs of shims.
Each stays with one of these until that refuses its connection, and goes on to the next. Whose connections are
refused everywhere ends. Each report, a GET and a POST in turn, has an address of its own. For each the program
prints a line `ADDRESS METHOD OUTCOME`: the outcome is a status, or `broken` and why. Nobody tries again but the
library itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.debian import program as found

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

HERE = Path(__file__).resolve().parent
PATIENCE_S = 60.0
BUILDS_WITHIN_S = 120.0
_JAVA = ("java", "-cp", "{folder}", "Kept")
_PYTHON = (sys.executable, "kept.py")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "requests": _PYTHON,
    "httpx": _PYTHON,
    "HttpClient": _JAVA,
    "HttpURLConnection": _JAVA,
    "php-curl": ("php", "kept.php"),
    "node-fetch": ("node", "kept.mjs"),
    "node-http": ("node", "kept.mjs"),
    "net-http": ("{folder}/kept",),
}
_BUILT = {
    "java": ("javac", "-d", "{folder}", "Kept.java"),
    "{folder}/kept": ("go", "build", "-o", "{folder}/kept", "kept.go"),
}


class Report(NamedTuple):
    """What came of one report."""

    ip: str
    method: str
    outcome: str


class KeptProgram:
    """A program of clients, for the time of the block; it ends by itself once nobody listens.

    Args:
        variant: One of `COMMANDS`.
        folder: Where programs are built, each once; and where this one tells what came of its reports.
        urls: Where to report to.
        first: The number of the first client; no two programs have the same.
        number: How many clients.
        pause_s: How long each rests between two reports, on average.
    """

    def __init__(
        self,
        variant: str,
        folder: Path,
        urls: Sequence[str],
        *,
        first: int = 0,
        number: int = 8,
        pause_s: float = 0.0,
    ) -> None:
        command = _ready(COMMANDS[variant], folder)
        self._told = folder / f"{variant}.told"
        pause_ms = str(round(pause_s * 1000))
        with self._told.open("wb") as told:
            self._process = subprocess.Popen(
                [*command, variant, str(first), str(number), pause_ms, *urls], stdout=told, cwd=HERE
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def so_far(self) -> int:
        """Count its reports."""
        return self._told.read_bytes().count(b"\n")

    def reports(self) -> list[Report]:
        """Wait for its end, and read what came of its reports."""
        assert self._process.wait(PATIENCE_S) == 0
        return [Report(*line.split(" ", 2)) for line in self._told.read_text().splitlines()]


def _ready(command: Sequence[str], folder: Path) -> list[str]:
    """Build it where that is needed."""
    build = _BUILT.get(command[0])
    if command[0] in {"java", "php", "node"}:
        found(command[0])
    if build:
        found(build[0])
        filled = [part.format(folder=folder) for part in build]
        target = folder / ("Kept.class" if command[0] == "java" else "kept")
        if not target.exists():
            subprocess.run(filled, cwd=HERE, check=True, timeout=BUILDS_WITHIN_S)
    return [part.format(folder=folder) for part in command]


class Sorted(NamedTuple):
    """What reports came to.

    Attributes:
        answered: How many were answered 200.
        missing: Those of them that are not stored.
        others: The answers that were not 200.
        unanswered: What came instead of an answer; nothing is stored of it.
        stored_unanswered: The same, and it is stored.
    """

    answered: int
    missing: list[Report]
    others: list[Report]
    unanswered: list[Report]
    stored_unanswered: list[Report]


def sort_out(reports: Sequence[Report], stored: Collection[str]) -> Sorted:
    """Hold what clients were told against what is stored."""
    good = [each for each in reports if each.outcome == "200"]
    broken = [each for each in reports if each.outcome.startswith("broken")]
    return Sorted(
        answered=len(good),
        missing=[each for each in good if each.ip not in stored],
        others=[each for each in reports if each not in good and each not in broken],
        unanswered=[each for each in broken if each.ip not in stored],
        stored_unanswered=[each for each in broken if each.ip in stored],
    )
