"""The mark of a ledger in memory."""

from __future__ import annotations

from f2b_worker.domain.schema import Known, Schema


class MemorySchema:
    """What a table that is nowhere says of itself."""

    def __init__(self, known: Known = Known(Schema(1, 1), oldest=1)) -> None:  # noqa: B008 - it is a tuple
        self.what = "table in memory"
        self.known = known
        self._found: Schema | None = None

    def read(self) -> Schema | None:
        """Read how it is marked; None if it is not."""
        return self._found

    def mark(self, schema: Schema) -> None:
        """Mark it, unless it is marked with this version or a later one."""
        if self._found is None or self._found.version < schema.version:
            self._found = schema
