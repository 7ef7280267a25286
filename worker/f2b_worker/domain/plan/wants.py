"""What the roster tells: changes of what is wanted, and bans that nobody knew before."""

from __future__ import annotations

from typing import NamedTuple


class Want(NamedTuple):
    """One change of what is wanted: *key* in *blocklist* until then; None for no longer.

    A range that holds somebody who is allowed is wanted as its *pieces*.
    """

    blocklist: str
    key: str
    until_ms: int | None
    pieces: tuple[str, ...] = ()


class Fresh(NamedTuple):
    """A ban that was not known before: the surge guard counts it."""

    start_ms: int
    key: str
    blocklists: tuple[str, ...]
