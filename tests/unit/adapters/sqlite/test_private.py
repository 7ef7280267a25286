"""Who else can read, change or hold up a state file: nobody; and what may stand in its place: nothing else."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from f2b_worker.adapters.sqlite.file import INDEX, LOCK, LOG, FileLock, make_or_open, open_existing
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.errors import StartError
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDINGS = ("", LOG, INDEX, LOCK)
CLOCK = FakeClock()


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.db"


def modes(path: Path) -> dict[str, int]:
    return {ending: stat.S_IMODE(Path(f"{path}{ending}").stat().st_mode) for ending in ENDINGS}


def test_a_new_state_file_and_all_beside_it_are_its_users_alone(path: Path) -> None:
    with closing(StateFile(path)):
        assert modes(path) == dict.fromkeys(ENDINGS, 0o600)


def test_an_umask_that_gives_away_everything_changes_nothing_of_that(path: Path) -> None:
    os.umask(0)
    with closing(StateFile(path)):
        assert modes(path) == dict.fromkeys(ENDINGS, 0o600)


def test_rights_that_others_have_are_taken_away_and_that_is_said(path: Path) -> None:
    first = StateFile(path)
    for ending in ENDINGS:
        Path(f"{path}{ending}").chmod(0o664)
    first.writer.do("testing", lambda connection: connection.execute("INSERT INTO notes VALUES ('a', 'b', 'c')"))
    copies = {ending: Path(f"{path}{ending}").read_bytes() for ending in ("", LOG)}
    first.close()
    for ending, content in copies.items():  # as after a death: the log is still there
        Path(f"{path}{ending}").write_bytes(content)
        Path(f"{path}{ending}").chmod(0o664)

    with capture_logs() as lines, closing(StateFile(path)) as again:
        assert modes(path) == dict.fromkeys(ENDINGS, 0o600)
        assert again.reader().execute("SELECT content FROM notes").fetchall() == [("c",)]
    said = [line for line in lines if line["event"] == "file_was_open_to_others"]
    assert [(line["file"], line["mode"]) for line in said] == [
        (f"{path}{ending}", "0664") for ending in (LOCK, LOG, "")
    ]
    assert {line["log_level"] for line in said} == {"warning"}


def test_a_file_whose_rights_cannot_be_changed_is_named_with_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)  # another user's file: a test that runs as root has none
    with capture_logs() as lines, closing(make_or_open(path)):
        (said,) = lines
    assert said["event"] == "file_is_open_to_others"
    assert said["remedy"] == f"as its owner, run: chmod 600 {path}"


def test_a_copy_that_is_saved_is_its_users_alone(path: Path, tmp_path: Path) -> None:
    with closing(StateFile(path)) as state:
        state.safe_writer.copy(tmp_path / "copy")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    with closing(make_or_open(tmp_path / "copy")):
        pass


def _link(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("precious")
    path.symlink_to(target)


def _dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("made-by-somebody"))


def _second_name(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("precious")
    path.hardlink_to(target)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


IN_ITS_PLACE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (_link, "is a symbolic link: remove it, or name the file itself"),
    "a link to nothing": (_dangling_link, "is a symbolic link"),
    "a hard link": (_second_name, r"has 2 names \(hard links\): remove the others"),
    "a FIFO": (os.mkfifo, "is a FIFO: remove it, or name another file"),
    "a folder": (Path.mkdir, "is a folder: name a file"),
    "a socket": (_socket, "is a socket: remove it, or name another file"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", IN_ITS_PLACE)
def test_what_is_no_file_of_ours_is_named_in_one_line_and_left_as_it_is(
    kind: str, ending: str, tmp_path: Path
) -> None:
    make, complaint = IN_ITS_PLACE[kind]
    path = tmp_path / "f2b.db"
    place = Path(f"{path}{ending}")
    make(place)
    before = place.lstat()
    if ending in (LOG, INDEX):
        path.touch()
    with pytest.raises(StartError, match=complaint) as refused:
        StateFile(path)
    assert str(refused.value).startswith(f"{place} ")
    assert "\n" not in str(refused.value)
    after = place.lstat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    target, aimed_at = tmp_path / "target", tmp_path / "made-by-somebody"
    assert not target.exists() or target.read_text() == "precious"
    assert not aimed_at.exists()


def test_a_device_is_no_state_file() -> None:
    with pytest.raises(StartError, match="/dev/null is a device: name a file"):
        make_or_open(Path("/dev/null"))


def test_a_link_that_appears_after_the_lock_was_looked_at_is_not_followed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Path(f"{path}{LOCK}")
    _link(lock)
    found = lock.with_name("target").stat()
    monkeypatch.setattr(os, "lstat", lambda _: found)  # as it was a moment before
    with pytest.raises(StartError, match=r"cannot open .*-lock: Too many levels of symbolic links"):
        FileLock(path)


def test_a_state_file_of_another_user_is_told_with_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_or_open(path).close()
    monkeypatch.setattr(os, "access", lambda *_: False)  # a test that runs as root may read everything
    with pytest.raises(
        StartError, match="belongs to another user: run this as the user of f2b-worker, by sudo -u"
    ):
        open_existing(path)
