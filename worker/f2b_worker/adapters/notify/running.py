"""Runs a program for a notice: JSON on its standard input, no shell, few variables, and an end in time.

What it started is killed with it, even what has left its process group: each inherits a variable that only this
run has.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from f2b_worker.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USUAL = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR")
"""The variables of the worker that every program is given; secrets are in others."""

_MARK = "NOTICE_OF_F2B"  # not F2B_…: the program may be f2b, which refuses what is no setting of it
_SAID_MAX = 200
_running: dict[str, subprocess.Popen[bytes]] = {}
"""What runs now, by its mark."""

_SAID_READ = 4096
_ENDS_WITHIN_S = 2.0
_LOOKS_EVERY_S = 0.01


class Ended(NamedTuple):
    """How a program ended.

    Attributes:
        code: Its exit code; negative: the signal that ended it.
        said: The last line that it wrote to standard error.
        output: What it wrote to standard output, if that was asked for.
    """

    code: int
    said: str
    output: str = ""


def environment(names: Sequence[str]) -> dict[str, str]:
    """Choose the variables that a program is given: the usual ones, and those named."""
    return {name: os.environ[name] for name in (*USUAL, *names) if name in os.environ}


def run(
    argv: Sequence[str], given: str, variables: Mapping[str, str], *, within_s: float, output_max: int = 0
) -> Ended:
    """Run a program to its end.

    Args:
        argv: The program and its arguments.
        given: What it reads.
        variables: All that it gets of them.
        within_s: After so long it is killed.
        output_max: So many bytes of its output are kept.

    Raises:
        Rejected: If it cannot be started.
        Unavailable: If it was killed, or this machine has no room for what it writes.
    """
    mark = secrets.token_hex(16)
    name = Path(argv[0]).name
    with _file(name) as said, _file(name) as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own program, and no shell reads its arguments
                list(argv),
                stdin=subprocess.PIPE,
                # Files, not pipes: a child that lives on would hold a pipe open.
                stdout=output if output_max else subprocess.DEVNULL,
                stderr=said,
                env={**variables, _MARK: mark},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise Rejected(f"command {name}: cannot be started: {why}") from error
        _running[mark] = process
        try:
            process.communicate(given.encode("utf-8", "replace"), within_s)
        except subprocess.TimeoutExpired:
            _kill(process, mark)
            raise Unavailable(f"command {name}: did not end within {within_s:.0f} s, and was killed") from None
        except BaseException:
            _kill(process, mark)
            raise
        finally:
            del _running[mark]
        output.seek(0)
        kept = output.read(output_max).decode("utf-8", "replace")
        return Ended(process.returncode, _last_line(said), kept)


def _file(name: str) -> IO[bytes]:
    """Make a file for what a program writes."""
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise Unavailable(f"command {name}: no temporary file: {error.strerror}") from error


def kill_all() -> None:
    """Kill whatever runs: this process ends, and nobody would end a program after its time."""
    for mark, process in list(_running.items()):
        _kill(process, mark)


def _last_line(said: IO[bytes]) -> str:
    """Read the last line of a file, as far as it can be shown."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _SAID_READ))
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    last = lines[-1] if lines else ""
    return "".join(each if each.isprintable() else " " for each in last)[:_SAID_MAX]


def _kill(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a program and whatever it started, and wait until all of it is gone."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDS_WITHIN_S)
    ends_s = time.monotonic() + _ENDS_WITHIN_S
    while (left := _marked(mark)) and time.monotonic() < ends_s:  # what forks meanwhile is found the next time
        for each in left:
            with suppress(OSError):
                os.kill(each, signal.SIGKILL)
        time.sleep(_LOOKS_EVERY_S)
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()


def _marked(mark: str) -> list[int]:
    """List the processes that have this variable; where /proc is not to be had, none."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in each.read_bytes().split(b"\0"):
                found.append(int(each.parent.name))
    return found
