"""Writing a part of a snapshot: changes, packed into as many items as they need."""

from __future__ import annotations

import secrets
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


def write_part(items: BanLogItems, changes: Iterable[Change], clock: Clock, *, after: int, upto: int) -> Part:
    """Write a part of its own; until a pointer names it, nobody knows of it.

    Args:
        items: The log.
        changes: What stands in it.
        clock: Tells when it was made.
        after: It tells what the numbers above this one made of the bans; 0 for a base.
        upto: And up to which.

    Raises:
        F2bError: If DynamoDB did not take it; what is written of it goes when its time is over.
    """
    part_id = secrets.token_hex(8)
    total_bytes = number = 0
    for batch in batches(changes, CHANGES_MAX):
        content = pack(batch)
        items.put_part(part_id, number, content)
        number += 1
        total_bytes += len(content)
    return Part(part_id, number, after, upto, total_bytes, clock.now_ms())
