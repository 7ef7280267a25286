"""Who enforces in each Region, how fast, and what waits: for commands and pages alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.domain.noted_sets import NAMED_MAX, UPDATES_PER_MINUTE, Progress
from f2b_worker.query.wording import seconds, since, time_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.ports import Holder, Notes


class Region(NamedTuple):
    """What is known of the enforcement in one Region.

    Attributes:
        name: The Region.
        owner: Who holds the lease; empty if nobody does, None where there is no lease or nobody asked.
        enforces: What, in the enforcer's words.
        noted_ms: When it noted how the IP sets are.
        known_ms: It knew all bans that were stored before.
        held_back_from_ms: Bans that start then or later are held back; None: none.
        waiting: So many bans are in no set yet; None if they are too many to be noted.
        held_back: So many are held back; None if they are too many to be noted, or none are.
        progress: How fast bans get into the sets; None if it was not noted.
    """

    name: str
    owner: str | None = None
    enforces: str = ""
    noted_ms: int | None = None
    known_ms: int | None = None
    held_back_from_ms: int | None = None
    waiting: int | None = None
    held_back: int | None = None
    progress: Progress | None = None


def regions_of(holders: Mapping[str, Holder], notes: Mapping[str, Notes]) -> list[Region]:
    """Put together what leases and notes tell of each Region."""
    return [_region(name, holders.get(name), notes.get(name)) for name in sorted({*holders, *notes})]


def _region(name: str, holder: Holder | None, notes: Notes | None) -> Region:
    region = Region(name, holder.owner, holder.enforces) if holder else Region(name)
    noted = notes.sets if notes else None
    if notes is None or noted is None:
        return region._replace(held_back_from_ms=notes.held_back_from_ms if notes else None)
    return region._replace(
        noted_ms=noted.at_ms,
        known_ms=noted.known_ms,
        held_back_from_ms=notes.held_back_from_ms,
        waiting=_total([each.out for each in noted.groups]),
        held_back=_total([each.held_back for each in noted.groups]),
        progress=noted.progress,
    )


def _total(named: Sequence[Sequence[str] | None]) -> int | None:
    return None if any(each is None for each in named) else sum(len(each or ()) for each in named)


def region_object(region: Region) -> dict[str, Any]:
    """Return it as a JSON object."""
    progress = region.progress or Progress()
    return {
        "region": region.name,
        "owner": region.owner or None,
        "enforces": region.enforces,
        **time_object("noted", region.noted_ms),
        "waiting": region.waiting,
        **time_object("waiting_since", progress.waiting_since_ms),
        **time_object("held_back_from", region.held_back_from_ms),
        **time_object("last_enforced", progress.enforced_ms),
        "last_took": None if progress.took_ms is None else seconds(progress.took_ms),
        "updates_last_minute": region.progress and progress.updates,
        "updates_per_minute": UPDATES_PER_MINUTE,
    }


def progress_line(progress: Progress, waiting: int | None, now_ms: int) -> str:
    """Tell in one line how fast bans get into the IP sets.

    Args:
        progress: What was noted.
        waiting: How many wait; None: too many to be noted.
        now_ms: The time.
    """
    return ", ".join(_parts(progress, waiting, now_ms))


def _parts(progress: Progress, waiting: int | None, now_ms: int) -> Iterator[str]:
    if progress.waiting_since_ms is None:
        yield "nothing waits"
    else:
        many = f"more than {NAMED_MAX} wait" if waiting is None else f"{waiting:,} wait"
        yield f"{many}, the longest for {since(progress.waiting_since_ms, now_ms)}"
    if progress.enforced_ms is not None and progress.took_ms is not None:
        yield f"the last ban took {progress.took_ms / 1000:.1f}s ({since(progress.enforced_ms, now_ms)} ago)"
    yield f"{progress.updates} of {UPDATES_PER_MINUTE} updates in the last minute"
