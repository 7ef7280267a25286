"""What a write to the ledger's table is for, so that its units can be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

HITS, BAN, EXTENSION, HISTORY = "hits", "ban", "extension", "history"
LOG, SNAPSHOT, OTHER = "log", "snapshot", "other"


def kind_of(pk: str, sk: str, written: Container[str]) -> str:
    """Tell a write's kind from its key and the attributes that it writes, whether its condition holds or not.

    Only a new ban is stored with its evidence; one that is extended keeps what it has.
    """
    if pk.startswith("ip#"):
        if sk.startswith("h#"):
            return HISTORY
        if "ban" in written:
            return BAN if "evidence" in written else EXTENSION
        return HITS
    if pk == "log":
        return LOG if sk == "seq" else SNAPSHOT
    if pk.startswith("log#"):
        return LOG
    return SNAPSHOT if pk.startswith("part#") else OTHER
