"""How a state file says in which layout it is, as a worker and the contract tests ask it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from f2b_worker.adapters.sqlite.file import KNOWN, connect, mark_schema, read_schema, sqlite_errors

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.domain.schema import Schema


class SqliteSchema:
    """The mark of one state file.

    Args:
        path: The file.

    Attributes:
        what: The file, for people.
        known: What this f2b knows of its layout.
    """

    known = KNOWN

    def __init__(self, path: Path) -> None:
        self._path = path
        self.what = f"state file {path}"

    def read(self) -> Schema | None:
        """Read how it is marked; None if it is not.

        Raises:
            Rejected: If the mark cannot be read.
        """
        with sqlite_errors("reading the format"), closing(connect(self._path, "rw")) as file:
            return read_schema(file, self._path)

    def mark(self, schema: Schema) -> None:
        """Mark it, unless it is marked with this version or a later one."""
        with sqlite_errors("marking the format"), closing(connect(self._path, "rw")) as file:
            mark_schema(file, schema)
