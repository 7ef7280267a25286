"""The units of deploy/systemd: what their lines say."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Unit:
    """A unit file. It knows of systemd's form what ours use: no section twice, no line that goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = [line.partition("=") for line in path.read_text().splitlines() if _says_something(line)]

    def all(self, key: str) -> list[str]:
        """Every value of a key, in their order."""
        return [value for name, _, value in self._lines if name == key]

    def one(self, key: str) -> str:
        (value,) = self.all(key)
        return value

    def replace(self, key: str, value: str) -> None:
        """Put another value in the place of a key's one."""
        self.one(key)
        self._lines = [(name, sep, value if name == key else old) for name, sep, old in self._lines]

    def words(self, key: str) -> list[str]:
        return self.one(key).split()

    def seconds(self, key: str) -> float:
        return float(self.one(key))

    def commands(self, key: str) -> list[list[str]]:
        return [shlex.split(each) for each in self.all(key)]

    def environment(self) -> dict[str, str]:
        """What Environment= sets, and the example of its EnvironmentFile= that lies beside it."""
        name = self.one("EnvironmentFile").rpartition("/")[2]
        set_here = [each for line in self.all("Environment") for each in shlex.split(line)]
        return pairs("\n".join(set_here)) | pairs((self.path.parent / name).read_text())

    def system_calls(self) -> set[str]:
        """The calls that SystemCallFilter= leaves."""
        allowed: set[str] = set()
        for value in self.all("SystemCallFilter"):
            named = {call for each in value.lstrip("~").split() for call in _calls_of(each)}
            allowed = allowed - named if value.startswith("~") else allowed | named
        return allowed


def pairs(text: str) -> dict[str, str]:
    """Read lines as an environment file has them."""
    found = (re.fullmatch(r"([A-Z0-9_]+)=(.*)", line) for line in text.splitlines() if _says_something(line))
    return {each[1]: each[2] for each in found if each}


def _says_something(line: str) -> bool:
    return bool(line) and line[0] not in "#;["


@cache
def _calls_of(name: str) -> set[str]:
    """Ask systemd for the calls of a set such as @system-service; sets may name sets."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True
    )
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    named = [each for each in words if each and not each.startswith("#")]
    return {call for each in named for call in (_calls_of(each) if each.startswith("@") else {each})}
