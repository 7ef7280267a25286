"""Real clients: small programs in many languages, each of which reports in all the ways that it has.

Each is called with the URL of a shim, the URL of one whose rate limit is used up, a token, and the name of a door.
It asks for what `CASES` has, in the jail `DOOR.VARIANT`, and goes on after whatever is answered; a variant is one
library, or one way to use it. It prints a line `version …`, then one for each answer: `VARIANT CASE STATUS TEXT`
with the first line of the text. If there is no answer, it prints `broken` in the place of the status, and why.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.conftest import skip_or_fail
from tests.debian import program as found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).resolve().parent
PATIENCE_S = 120


class Case(NamedTuple):
    """What a client asks for: the status that it should read, and the last bytes of what is stored."""

    status: int
    stored: tuple[int, ...] = ()


CASES = {
    "get": Case(200, (1,)),
    "head": Case(200, (2,)),
    "post": Case(200, (3,)),
    "put": Case(200, (4,)),
    "json": Case(200, (5, 6)),
    "ndjson": Case(200, (7, 8)),
    "gzip": Case(200, (9,)),
    "chunked": Case(200, (10,)),
    "expect": Case(200, (11,)),
    # Each of these comes with a body of 2 MB, and after it something good.
    "no_token": Case(401),
    "no_such_method": Case(405),
    "too_large": Case(413),
    "at_once": Case(413),
    "too_often": Case(429),
    "after": Case(200, (12,)),
}
GOOD = ("get", "get", "get", "head", "post", "put", "json", "ndjson", "gzip")
REFUSED = ("no_token", "after", "no_such_method", "after", "too_large", "after", "too_often", "after")


@dataclass(frozen=True)
class Program:
    """A client.

    Attributes:
        name: For people.
        variants: For each way to ask, the cases in the order in which they are asked.
        command: What runs it; `{folder}` is where it was built.
        connections: So many it opens to the shim itself at most: one for each variant, and another after each of
            three refusals. 0 if a variant has one for each request.
        needs: Commands that must be on this machine.
        tried: What ends with 0 where its library is here.
        library: The package of that.
        built: How it is built, once.
    """

    name: str
    variants: dict[str, Sequence[str]]
    command: tuple[str, ...]
    connections: int = 0
    needs: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    library: str = ""
    built: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What a client read."""

    variant: str
    case: str
    status: str
    text: str


@dataclass
class Told:
    """All that a client read."""

    version: str = ""
    answers: list[Answer] = field(default_factory=list)

    def wrong(self, program: Program) -> list[str]:
        """Find the answers that are not as they should be; those that are missing, too."""
        due = [(variant, case) for variant, cases in program.variants.items() for case in cases]
        missing = Counter(due) - Counter((each.variant, each.case) for each in self.answers)
        bad = [" ".join(each) for each in self.answers if each.status != str(CASES[each.case].status)]
        # To a HEAD nothing is said, and all else is said in a text.
        bad += [
            f"no text: {each.variant} {each.case}"
            for each in self.answers
            if not each.text and each.case != "head"
        ]
        return [f"not asked: {variant} {case}" for variant, case in missing] + bad

    def stored(self, door: str) -> Counter[tuple[str, str]]:
        """Say what is stored if all that was answered 200 is, and nothing else: jail, address, how often."""
        good = [each for each in self.answers if each.status == "200"]
        return Counter(
            (f"{door}.{each.variant}", f"203.0.113.{last}") for each in good for last in CASES[each.case].stored
        )


PROGRAMS = (
    Program(
        "python",
        dict.fromkeys(("urllib", "http.client", "requests", "httpx"), (*GOOD, "chunked", *REFUSED)),
        ("{python}", "client.py"),
    ),
    Program(
        "java",
        {"HttpClient": (*GOOD, "chunked", "expect", *REFUSED), "HttpURLConnection": (*GOOD, "chunked", *REFUSED)},
        ("java", "-cp", "{folder}", "Client"),
        connections=8,
        needs=("java", "javac"),
        built=("javac", "-d", "{folder}", "Client.java"),
    ),
    Program(
        "php",
        {"php-curl": (*GOOD, "chunked", "expect", *REFUSED), "php-streams": (*GOOD, *REFUSED)},
        ("php", "client.php"),
        needs=("php",),
        tried=("php", "-r", "exit(function_exists('curl_init') ? 0 : 1);"),
        library="php-curl",
    ),
    Program(
        "perl",
        dict.fromkeys(("LWP", "HTTP-Tiny"), (*GOOD, "chunked", *REFUSED)),
        ("perl", "client.pl"),
        connections=9,
        needs=("perl",),
        tried=("perl", "-MLWP", "-e1"),
        library="libwww-perl",
    ),
    Program(
        "node",
        {"node-fetch": (*GOOD, "chunked", *REFUSED), "node-http": (*GOOD, "chunked", "expect", *REFUSED)},
        ("node", "client.mjs"),
        connections=10,
        needs=("node",),
    ),
    Program(
        "go",
        {"net-http": (*GOOD, "chunked", "expect", *REFUSED)},
        ("{folder}/client",),
        connections=4,
        needs=("go",),
        built=("go", "build", "-o", "{folder}/client", "client.go"),
    ),
    Program(
        "curl",
        dict.fromkeys(("curl", "curl-http2"), (*GOOD, "chunked", "expect", *REFUSED, "at_once")),
        ("sh", "curl.sh"),
        needs=("curl",),
    ),
    Program("wget", {"wget": (*GOOD, *REFUSED)}, ("sh", "wget.sh"), needs=("wget",)),
    Program(
        "busybox",
        {
            "busybox-wget": (
                *("get", "get", "get", "post", "json", "ndjson"),
                *("no_token", "after", "too_large", "after", "too_often", "after"),
            ),
            "busybox-nc": ("get", "get", "get", "json", "no_token", "too_large"),
        },
        ("sh", "busybox.sh"),
        needs=("busybox",),
    ),
    Program("nc", {"nc": ("get", "get", "get", "json", "no_token", "too_large")}, ("sh", "nc.sh"), needs=("nc",)),
    Program(
        "ab", {"ab": ("get", "get", "get", "json", "json", "json")}, ("sh", "ab.sh"), connections=2, needs=("ab",)
    ),
)


def run(program: Program, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Told:
    """Let a client report; *arguments* are its own, *folder* is where it was built, or will be."""
    _look_for(program)
    folder = folder / program.name
    if program.built and not folder.exists():
        folder.mkdir()
        subprocess.run(_filled_in(program.built, folder), cwd=HERE, check=True, timeout=PATIENCE_S)
    command = [*_filled_in(program.command, folder), *arguments]
    done = subprocess.run(
        command,
        cwd=HERE,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert not done.returncode, done.stderr
    assert not done.stderr, done.stderr
    told = Told()
    for line in done.stdout.splitlines():
        first, _, rest = line.partition(" ")
        if first == "version":
            told.version = rest
        else:
            told.answers.append(Answer(first, *_three(rest)))
    return told


def _three(rest: str) -> tuple[str, str, str]:
    case, _, more = rest.partition(" ")
    status, _, text = more.partition(" ")
    return case, status, text


def _filled_in(command: Sequence[str], folder: Path) -> list[str]:
    return [part.format(folder=folder, python=sys.executable) for part in command]


def _look_for(program: Program) -> None:
    for name in program.needs:
        found(name)
    if program.tried and subprocess.run(program.tried, capture_output=True, check=False).returncode:
        skip_or_fail(f"a library of {program.name} is not here: apt-get install {program.library}")
