"""Writing a part of a snapshot: changes, packed into as many items as they need."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.ban_log.packing import pack
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.ports import Clock

CHANGES_MAX = 5_000
"""So many changes are 60 to 100 KB."""


class Draft:
    """A part of a snapshot while it is written, item by item; until a pointer names it, nobody knows of it.

    Args:
        items: The log.
        changes: What stands in it.
        clock: Tells when it was begun: from then on its items have their time to live.
        after: It tells what the numbers above this one made of the bans; 0 for a base.
        upto: And up to which.

    Attributes:
        part: What is written of it.
    """

    def __init__(
        self, items: BanLogItems, changes: Iterable[Change], clock: Clock, *, after: int, upto: int
    ) -> None:
        self.part = Part(secrets.token_hex(8), 0, after, upto, 0, clock.now_ms())
        self._items = items
        self._batches = batches(changes, CHANGES_MAX)
        self._batch = next(self._batches, None)

    @property
    def is_done(self) -> bool:
        """Whether all of it is written."""
        return self._batch is None

    def write_next(self) -> None:
        """Write one more item.

        Raises:
            F2bError: If DynamoDB did not take it; call it again to go on with that item.
        """
        if self._batch is None:
            return
        content = pack(self._batch)
        self._items.put_part(self.part.id, self.part.items, content)
        self.part = replace(self.part, items=self.part.items + 1, bytes=self.part.bytes + len(content))
        self._batch = next(self._batches, None)
