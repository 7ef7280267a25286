"""The state file of a running standalone worker is taken away or damaged: 200 means on disk, or it is not said."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fleet import eventually
from f2b_worker.adapters.sqlite.state import StateFile
from tests.acceptance.attacks import stream_of_reports
from tests.acceptance.test_shim import ask
from tests.acceptance.test_standalone import command
from tests.log_lines import logged

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from demo.fleet import Fleet

    Loss = Callable[[Path], None]
    Start = Callable[..., subprocess.Popen[bytes]]


def beside(state: Path, ending: str) -> Path:
    return Path(f"{state}{ending}")


def written_over(path: Path, content: bytes, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def delete_all(state: Path) -> None:
    for each in state.parent.glob("f2b.db*"):
        each.unlink()


def move(state: Path) -> None:
    state.rename(state.parent / "elsewhere")


def replace_its_log(state: Path) -> None:
    shutil.copyfile(beside(state, "-wal"), state.parent / "copy")
    (state.parent / "copy").replace(beside(state, "-wal"))


def replace_by_a_new_one(state: Path) -> None:
    StateFile(state.parent / "other").close()
    (state.parent / "other").replace(state)


def replace_by_no_database(state: Path) -> None:
    (state.parent / "other").write_text("hello\n")
    (state.parent / "other").replace(state)


def copy_another_over_it(state: Path) -> None:
    (state.parent / "other").write_bytes(b"\0" * state.stat().st_size)
    shutil.copyfile(state.parent / "other", state)


def restarted_log(state: Path) -> None:
    """Have everything written into the file itself, then lose it there."""
    with closing(sqlite3.connect(state)) as file:
        file.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    written_over(state, b"\0" * state.stat().st_size)


GONE: dict[str, Loss] = {
    "the file is deleted": Path.unlink,
    "all files are deleted": delete_all,
    "the file is moved": move,
    "its log is deleted": lambda state: beside(state, "-wal").unlink(),
    "its index is deleted": lambda state: beside(state, "-shm").unlink(),
    "its lock is deleted": lambda state: beside(state, "-lock").unlink(),
    "its log is replaced": replace_its_log,
    "its log's header is overwritten": lambda state: written_over(beside(state, "-wal"), b"\xff" * 32),
}
REPLACED: dict[str, Loss] = {
    "another state file is put there": replace_by_a_new_one,
    "something else is put there": replace_by_no_database,
}
DAMAGED: dict[str, Loss] = {
    "the file is truncated": lambda state: os.truncate(state, 0),
    "half of the file is cut off": lambda state: os.truncate(state, state.stat().st_size // 2 // 4096 * 4096),
    "the file's first page is overwritten": lambda state: written_over(state, os.urandom(4096)),
    "all but the file's first page is overwritten": lambda state: written_over(
        state, os.urandom(state.stat().st_size - 4096), 4096
    ),
    "zeros are copied over the file": copy_another_over_it,
    "the file is overwritten after a checkpoint": restarted_log,
}


def hits_in(state: Path) -> set[str]:
    with closing(sqlite3.connect(state)) as file:
        return {key for (key,) in file.execute("SELECT key FROM offenders WHERE hits != '[]'")}


def started_in_vain(fleet: Fleet, state: Path) -> subprocess.CompletedProcess[str]:
    """Start a worker on a file that it must refuse; it could not listen, either."""
    options = ("--state", str(state), "--port", "1", "--host", "203.0.113.1")
    return command(fleet, "--standalone", *options, program="f2b-worker")


def report_until_refused(fleet: Fleet) -> tuple[list[str], str]:
    """Report addresses until one is refused; answer those that were answered 200, and the refusal."""
    taken: list[str] = []
    for number in range(20_000):
        ip = f"2001:db8:0:{number + 1:x}::"
        status, text, headers = ask(fleet, f"/infraction/{ip}")
        if status != 200:
            assert (status, headers["retry-after"]) == (503, "1")
            return taken, text
        taken.append(ip)
    raise AssertionError("nothing was refused")


def checkpointed(state: Path) -> None:
    """Let what was stored stand in the file itself, as it does after a minute."""
    with closing(sqlite3.connect(state)) as file:
        file.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


class TestLoss:
    @pytest.fixture
    def worker(self, fleet: Fleet, state: Path, start: Start) -> Iterator[subprocess.Popen[bytes]]:
        """A worker that has taken and judged something."""
        process = start(enforcing=False)
        assert fleet.get("/infraction/203.0.113.7")[0] == 200
        eventually(lambda: "203.0.113.7/32" in hits_in(state), "it is judged", 10)
        checkpointed(state)
        assert fleet.get("/infraction/203.0.113.8")[0] == 200
        eventually(lambda: "203.0.113.8/32" in hits_in(state), "it is judged", 10)
        yield process
        process.kill()

    def refuses_and_ends(self, fleet: Fleet, worker: subprocess.Popen[bytes], log: Path) -> list[str]:
        """See that nothing is taken any more, that all say so, and that the process ends; answer what was."""
        taken, refusal = report_until_refused(fleet)
        eventually(lambda: logged(log, "state_file_lost") != [], "the loss is told", 10)
        for _ in range(20):
            assert fleet.get("/infraction/192.0.2.1")[0] == 503
        status, why = fleet.get("/readyz")
        assert status == 503
        (told,) = logged(log, "state_file_lost")
        assert "f2b.db" in told["reason"] or "damaged" in told["reason"]
        assert told["remedy"]
        assert refusal.strip()
        assert why.strip()
        assert worker.wait(20) == 4
        assert len(logged(log, "part_died")) == 1
        assert "Traceback" not in log.read_text()
        return taken

    @pytest.mark.parametrize("loss", GONE.values(), ids=GONE)
    def test_what_was_answered_200_is_back_after_the_restart_whichever_of_its_files_is_gone(  # noqa: PLR0917
        self, loss: Loss, fleet: Fleet, state: Path, log: Path, worker: subprocess.Popen[bytes], start: Start
    ) -> None:
        loss(state)
        taken = self.refuses_and_ends(fleet, worker, log)

        start(enforcing=False)

        answered = {"203.0.113.7/32", "203.0.113.8/32", *(f"{ip}/64" for ip in taken)}
        eventually(lambda: hits_in(state) >= answered, "all of it is judged", 20)
        assert fleet.get("/infraction/203.0.113.9") == (200, "ok\n")

    @pytest.mark.parametrize("loss", REPLACED.values(), ids=REPLACED)
    def test_what_a_replaced_file_held_is_kept_beside_the_new_one(
        self, loss: Loss, fleet: Fleet, state: Path, log: Path, worker: subprocess.Popen[bytes]
    ) -> None:
        loss(state)
        put_there = state.read_bytes()
        assert self.refuses_and_ends(fleet, worker, log) == []

        (saved,) = state.parent.glob("f2b.db-saved-*")
        assert str(saved) in logged(log, "state_file_lost")[0]["remedy"]
        answered = {"203.0.113.7/32", "203.0.113.8/32"}
        # What was answered 503 may be in it, too: it was committed before the loss was seen, and perhaps judged.
        assert answered <= hits_in(saved) <= answered | {"2001:db8:0:1::/64", "192.0.2.1/32"}
        assert state.read_bytes() == put_there

    @pytest.mark.parametrize("loss", DAMAGED.values(), ids=DAMAGED)
    def test_a_damaged_file_takes_nothing_and_is_refused_in_one_line_at_the_next_start_or_whole_again(
        self, loss: Loss, fleet: Fleet, state: Path, log: Path, worker: subprocess.Popen[bytes]
    ) -> None:
        loss(state)
        assert self.refuses_and_ends(fleet, worker, log) == []

        restart = started_in_vain(fleet, state)
        assert (restart.returncode, restart.stderr.count("\n")) == (3, 1)
        assert "state file" in restart.stderr


def test_what_was_answered_200_while_the_file_was_deleted_is_judged_after_the_restart(
    fleet: Fleet, state: Path, start: Start
) -> None:
    worker = start(enforcing=False)
    with stream_of_reports(fleet) as answered:
        state.unlink()
    assert worker.wait(20) == 4

    start(enforcing=False)

    eventually(lambda: hits_in(state) >= {f"{ip}/32" for ip in answered}, "all of it is judged", 30)


def test_a_full_disk_is_answered_503_by_reports_and_readiness_and_all_goes_on_when_there_is_room(
    fleet: Fleet, state: Path, log: Path, start: Start
) -> None:
    worker = start(enforcing=False)
    with open(f"/proc/{worker.pid}/task/{worker.pid}/children", encoding="ascii") as listing:  # noqa: PTH123
        processes = [worker.pid, *map(int, listing.read().split())]
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    # The disk of a test cannot be filled; a file that may not grow fails the same write.
    for each in processes:
        resource.prlimit(each, resource.RLIMIT_FSIZE, (beside(state, "-wal").stat().st_size, unlimited[1]))
    body = json.dumps([{"ip": "203.0.113.7", "note": "x" * 900}] * 100).encode()
    statuses = [ask(fleet, "/infractions", body)[0] for _ in range(20)]
    assert statuses[-1] == 503
    assert fleet.get("/readyz")[0] == 503
    assert worker.poll() is None

    for each in processes:
        resource.prlimit(each, resource.RLIMIT_FSIZE, unlimited)

    eventually(lambda: fleet.get("/readyz")[0] == 200, "there is room again", 20)
    assert fleet.get("/infraction/203.0.113.9") == (200, "ok\n")
    eventually(lambda: "203.0.113.9/32" in hits_in(state), "it is judged", 20)
    assert worker.poll() is None
    fleet.stop()
    assert logged(log, "queue_fails")[0]["reason"]


class TestStart:
    def start(self, fleet: Fleet, state: Path) -> str:
        """Try to start; answer the line that says why not."""
        done = started_in_vain(fleet, state)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
        return done.stderr

    def test_what_is_no_state_file_is_refused_in_one_line(self, fleet: Fleet, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("no database at all, but quite a long text\n" * 100)
        assert "damaged, or no database" in self.start(fleet, tmp_path / "text")
        with closing(sqlite3.connect(tmp_path / "foreign")) as file:
            file.execute("CREATE TABLE t (x)")
        assert "is not a state file of f2b" in self.start(fleet, tmp_path / "foreign")
        assert "state file" in self.start(fleet, tmp_path)
        assert "cannot open" in self.start(fleet, tmp_path / "text" / "f2b.db")
        assert "cannot open" in self.start(fleet, tmp_path / "missing" / "f2b.db")

    @pytest.mark.parametrize("page", range(1, 8))
    def test_a_page_that_is_damaged_is_found_at_the_start(self, page: int, fleet: Fleet, state: Path) -> None:
        StateFile(state).close()
        written_over(state, b"\xa5" * 4096, page * 4096)
        assert "damaged" in self.start(fleet, state)

    def test_a_file_that_was_cut_off_to_nothing_is_refused_although_its_log_has_gone(
        self, fleet: Fleet, state: Path
    ) -> None:
        StateFile(state).close()
        os.truncate(state, 0)
        beside(state, "-shm").write_bytes(b"an index")
        beside(state, "-shm").chmod(0o600)
        assert "is empty, but" in self.start(fleet, state)
        state.unlink()
        assert "cannot listen" in self.start(fleet, state), "who removed it may have left the index"

    def test_a_log_without_its_file_is_refused_and_kept(self, fleet: Fleet, state: Path) -> None:
        beside(state, "-wal").write_bytes(b"what was answered 200")
        assert "is gone, but" in self.start(fleet, state)
        state.touch()
        assert "is empty, but" in self.start(fleet, state)
        assert beside(state, "-wal").read_bytes() == b"what was answered 200"


def test_a_stop_while_the_loss_is_being_told_ends_it_at_once_with_code_0(
    fleet: Fleet, state: Path, log: Path, start: Start
) -> None:
    worker = start(enforcing=False)
    state.unlink()
    eventually(lambda: logged(log, "state_file_lost") != [], "the loss is told", 10)
    assert state.exists()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
