"""Where an open state file is; tests/acceptance/test_state_file_loss.py has the losses, on real processes."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from f2b_worker.adapters.sqlite.place import Place
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.errors import FileLost, Unavailable


def store(state: StateFile, body: str = "x") -> None:
    state.safe_writer.do(
        "storing", lambda file: file.execute("INSERT INTO inbox (body, sent_at_ms) VALUES (?, 1)", (body,))
    )


def checkpoint(state: StateFile, how: str) -> None:
    with closing(sqlite3.connect(state.path)) as other:
        other.execute(f"PRAGMA wal_checkpoint({how})").fetchall()


@pytest.mark.parametrize("how", ["PASSIVE", "RESTART", "TRUNCATE"])
def test_a_checkpoint_by_whomever_is_no_damage(state: StateFile, how: str) -> None:
    for _ in range(3):
        for _ in range(20):
            store(state, "x" * 1000)
            state.place.check(beside=True)
        checkpoint(state, how)
        state.place.check(beside=True)


def test_a_smaller_file_after_a_vacuum_is_no_damage(state: StateFile) -> None:
    for _ in range(50):
        store(state, "x" * 10_000)
    checkpoint(state, "TRUNCATE")
    state.place.check()
    state.safe_writer.do("deleting", lambda file: file.execute("DELETE FROM inbox"))
    with closing(sqlite3.connect(state.path)) as other:
        other.execute("VACUUM")
    checkpoint(state, "TRUNCATE")
    state.place.check(beside=True)


def test_a_log_that_lost_its_end_is_damaged(state: StateFile) -> None:
    store(state)
    state.place.check()
    log = state.path.with_name("f2b.db-wal")
    log.write_bytes(log.read_bytes()[:100])
    with pytest.raises(FileLost, match="truncated or damaged"):
        state.place.check()


def test_a_file_that_was_made_read_only_takes_nothing_until_it_is_writable_again(
    state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.path.chmod(0o444)
    with monkeypatch.context() as for_others:  # root may write to anything
        for_others.setattr("f2b_worker.adapters.sqlite.place.os.access", lambda *_: False)
        with pytest.raises(Unavailable, match="read-only: make it writable again"):
            state.place.check()
    state.path.chmod(0o644)
    state.place.check()


def test_another_process_notices_that_the_file_was_replaced_before_it_opened_it(state: StateFile) -> None:
    known = state.place.known
    state.path.rename(state.path.with_name("old"))
    StateFile(state.path.with_name("new")).close()
    state.path.with_name("new").rename(state.path)
    opened_later = Place(state.path, known)
    with pytest.raises(FileLost, match="another file now"):
        opened_later.check()
    opened_later.close()


def test_what_cannot_be_saved_is_said(state: StateFile) -> None:
    store(state)
    folder = state.path.parent
    folder.rename(folder.with_name("moved"))
    assert "could not be saved" in state.rescue()
    folder.with_name("moved").rename(folder)


def test_a_damaged_page_is_told_from_a_stale_memory_of_it(state: StateFile) -> None:
    store(state)
    checkpoint(state, "RESTART")
    with state.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 4096)
    with pytest.raises(FileLost, match="damaged"):
        state.place.check()
