"""A signal at a chosen import: the moments of a start that no pause before a signal hits for certain."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet

ENDS_WITHIN_S = 30.0
"""Beside a busy neighbour; who did not heed the signal would not end."""

SIGNAL_AT_IMPORT = """
import os
import sys

IN_CHILD = {in_child!r} == ("--multiprocessing-fork" in sys.orig_argv)


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and IN_CHILD:
            os.killpg(0, {number:d})


sys.meta_path.insert(0, Finder())
"""
"""Python runs a module `sitecustomize` before all else."""

WORKER = ["f2b-worker", "--queue", NAME, "--table", NAME, "--ip-set", NAME, "--processes"]
ONE, POOL = [*WORKER, "1"], [*WORKER, "2"]
SHIM = ["f2b-shim", "--queue", NAME, "--host", "127.0.0.1", "--workers"]
STANDALONE = ["f2b-worker", "--standalone", "--host", "127.0.0.1"]
BEFORE_THE_FIRST_IMPORT = "f2b_worker"


def ends(
    fleet: Fleet, folder: Path, command: list[str], module: str, number: int, *, in_child: bool = False
) -> tuple[int, str]:
    """Run a command whose whole group gets a signal at an import; answer its exit code and what it wrote."""
    text = SIGNAL_AT_IMPORT.format(module=module, number=number, in_child=in_child)
    (folder / "sitecustomize.py").write_text(text)
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        env=fleet.environment | {"PYTHONPATH": str(folder)},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=ENDS_WITHIN_S,
        start_new_session=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (ONE, BEFORE_THE_FIRST_IMPORT),
        (ONE, "botocore.session"),
        (POOL, "f2b_worker.process.worker"),
        ([*SHIM, "1"], "structlog"),
        (STANDALONE, "uvicorn"),
    ],
)
def test_sigterm_during_an_import_ends_a_command_at_once_without_a_word(
    fleet: Fleet, tmp_path: Path, command: list[str], module: str
) -> None:
    assert ends(fleet, tmp_path, command, module, signal.SIGTERM) == (-signal.SIGTERM, "")


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (ONE, "click"),
        (ONE, "botocore.session"),
        (POOL, "f2b_worker.process.pool.child"),
        ([*SHIM, "2"], "uvicorn"),
        (STANDALONE, "pydantic"),
    ],
)
def test_an_interrupt_during_an_import_is_one_line_and_130(
    fleet: Fleet, tmp_path: Path, command: list[str], module: str
) -> None:
    line = f"{command[0]}: interrupted\n"
    assert ends(fleet, tmp_path, command, module, signal.SIGINT) == (130, line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", [BEFORE_THE_FIRST_IMPORT, "botocore.session"])
def test_a_signal_to_all_of_a_group_while_a_pools_children_import_is_a_stop(
    fleet: Fleet, tmp_path: Path, module: str, number: int
) -> None:
    code, told = ends(fleet, tmp_path, POOL, module, number, in_child=True)

    assert (code, [json.loads(line)["event"] for line in told.splitlines()]) == (0, ["pool_stopped"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_of_a_group_while_a_shims_processes_import_is_a_stop(
    fleet: Fleet, tmp_path: Path, number: int
) -> None:
    shim = [*SHIM, "2", "--port", str(free_port())]
    code, told = ends(fleet, tmp_path, shim, "uvloop", number, in_child=True)

    assert (code, [json.loads(line)["event"] for line in told.splitlines()]) == (0, ["listening", "open_to_all"])
