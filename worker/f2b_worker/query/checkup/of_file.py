"""A state file: whether it is whole, whether its worker runs and can go on storing."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
from f2b_worker.adapters.sqlite.file import check_pages, open_existing
from f2b_worker.adapters.sqlite.looking import worker_of_file
from f2b_worker.query.checkup.check import Check, Role, unreadable_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM_LEAST_BYTES = 100_000_000
"""So much has to be free on the disk: a burst of infractions and the write-ahead log grow by that in minutes."""


class StateFile:
    """A state file as whoever looks on sees it.

    Attributes:
        is_whole: Whether it was found to be one, and undamaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_whole = False

    def checks(self, role: Role) -> Iterator[Check]:
        """List what is looked at."""
        path = self._path
        yield Check(f"state file {path}", self._pages, role.policy)
        if not self.is_whole:
            return
        yield Check("bans in the file", self._unreadable, role.policy)
        yield Check("right to write the file", self._not_writable, role.policy)
        yield Check("room on the disk", self._no_room, role.policy)
        yield Check("worker", self._no_worker, role.policy)

    def _pages(self) -> None:
        check_pages(open_existing(self._path))
        self.is_whole = True

    def _unreadable(self) -> str | None:
        return unreadable_in(lambda aside: SqliteBanBook(open_existing(self._path), aside=aside))

    def _not_writable(self) -> str | None:
        may = partial(os.access, mode=os.R_OK | os.W_OK)
        # SQLite keeps its log beside the file.
        if may(self._path) and may(self._path.absolute().parent):
            return None
        return f"this user may not write {self._path} and beside it: run f2b as the user of the worker"

    def _no_room(self) -> str | None:
        free_bytes = shutil.disk_usage(self._path.absolute().parent).free
        if free_bytes >= ROOM_LEAST_BYTES:
            return None
        return (
            f"{free_bytes // 1_000_000} MB are left beside {self._path}: make room, or no ban is stored any more"
        )

    def _no_worker(self) -> str | None:
        runs = worker_of_file(self._path) != 0
        return None if runs else "no process works on the file: start f2b-worker --standalone"
