"""What a stored entry of the allowlist and a stored pause must be like: another writer may be broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.soundness import is_whole

if TYPE_CHECKING:
    from f2b_worker.domain.acts.control import Pause


def checked_entry(entry: AllowEntry) -> AllowEntry:
    """Answer *entry* if it may be one.

    Raises:
        ValueError: If not; its text is the attribute that is wrong.
    """
    _refuse_unless_end(entry.until_ms)
    _refuse_unless_text("comment", entry.comment)
    _refuse_unless_text("by", entry.by)
    _refuse_unless_time("at_ms", entry.at_ms)
    _refuse_unless_text("network", entry.network)
    try:
        is_canonical = canonical(entry.network) == entry.network
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise ValueError("network")
    return entry


def what_is_left(network: object) -> AllowEntry | None:
    """Make an entry without an end of one that cannot be read but for its network: nobody must be banned for that.

    Returns:
        None if not even the network can be read.
    """
    entry = AllowEntry(network)  # type: ignore[arg-type]
    try:
        return checked_entry(entry)
    except ValueError:
        return None


def checked_pause(pause: Pause) -> Pause:
    """Answer *pause* if it may be one.

    Raises:
        ValueError: If not; its text is the attribute that is wrong.
    """
    _refuse_unless_time("from_ms", pause.from_ms)
    _refuse_unless_end(pause.until_ms)
    _refuse_unless_text("by", pause.by)
    _refuse_unless_text("reason", pause.reason)
    return pause


def _refuse_unless_end(until_ms: object) -> None:
    if until_ms is not None:
        _refuse_unless_time("until_ms", until_ms)


def _refuse_unless_time(name: str, value: object) -> None:
    if not is_whole(value, 0, FOREVER_MS):
        raise ValueError(name)


def _refuse_unless_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(name)  # noqa: TRY004 - what reads it tells one kind of wrong values only
