"""A command of the operator's is run without a shell, with few variables, and ends in time with its children."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from f2b_worker.adapters.notify.command import CommandTarget
from f2b_worker.adapters.notify.running import _marked
from f2b_worker.config.notices import CommandAddress
from f2b_worker.errors import Rejected, Unavailable
from f2b_worker.ports.notices import Notice

NOTICE = Notice("msg_1", "ban", "info", "a ban", "text", {"id": "msg_1", "bans": []}, 0)
FORKS = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.environ["NOTICE_OF_F2B"], file=open(sys.argv[1], "a"), flush=True)
for session in (False, True):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=session)
    print(child.pid, file=open(sys.argv[1], "a"), flush=True)
time.sleep(600)
"""


def target(*argv: str, timeout_ms: int = 20_000, environment: tuple[str, ...] = ()) -> CommandTarget:
    return CommandTarget(CommandAddress(argv, timeout_ms, environment))


def test_it_is_given_json_and_only_the_variables_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PAGER_KEY", "mine")
    script = "import json, os, sys; json.dump([json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'))"
    target(sys.executable, "-c", script, str(tmp_path / "came"), environment=("PAGER_KEY",)).send(NOTICE)
    given, variables = json.loads((tmp_path / "came").read_text())
    assert (given["id"], given["subject"], given["text"]) == ("msg_1", "a ban", "text")
    assert variables["PAGER_KEY"] == "mine"
    assert "PATH" in variables
    assert "AWS_SECRET_ACCESS_KEY" not in variables


def test_a_machine_without_room_for_its_output_is_a_failure_that_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(Unavailable, match=r"^command echo: no temporary file: No such file or directory$"):
        target("/bin/echo").send(NOTICE)


def test_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    target("/bin/echo", f"; touch {tmp_path}/made", f"$(touch {tmp_path}/made)").send(NOTICE)
    assert not (tmp_path / "made").exists()


def test_a_command_that_hangs_is_killed_with_its_children_those_of_another_session_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(Unavailable, match=r"did not end within 2 s, and was killed"):
        target(sys.executable, "-c", FORKS, str(pids), timeout_ms=2_000).send(NOTICE)
    mark, *children = pids.read_text().split()
    assert len(children) == 2
    assert not any(_runs(int(each)) for each in children)
    assert not _marked(mark), "nothing is left"


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_child_that_goes_on_keeps_nobody_waiting(tmp_path: Path) -> None:
    script = "import os, sys, time\nif os.fork() == 0:\n    time.sleep(5)"
    target(sys.executable, "-c", script, timeout_ms=4_000).send(NOTICE)


def test_a_command_that_reads_nothing_is_given_whatever_it_takes() -> None:
    target("true").send(Notice("m", "ban", "info", "s", "x" * 1_000_000, {}, 0))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import sys; sys.exit('no such\\x1b[31m room')", "command python.*: exit code 1: no such *.31m room"),
        ("import os; os.kill(os.getpid(), 9)", "command python.*: ended by signal 9"),
    ],
)
def test_a_command_that_fails_is_told_with_its_last_words(script: str, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        target(sys.executable, "-c", script).send(NOTICE)


def test_a_command_that_is_not_there_or_may_not_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    for name, why in ((tmp_path / "none", "No such file"), (tmp_path / "text", "Permission denied|Exec format")):
        with pytest.raises(Rejected, match=f"cannot be started: ({why})"):
            target(os.fspath(name)).send(NOTICE)
