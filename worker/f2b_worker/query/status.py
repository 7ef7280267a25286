"""Is it working? What commands and pages know of the whole fleet, and the verdict on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.control import Control
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.process.opening import (
    chosen_blocklists,
    open_acts,
    open_ban_book,
    open_notebooks,
    open_table,
)
from f2b_worker.query.conditions import FleetSeen, conditions_of, last_noted
from f2b_worker.query.looking import Seen, alive_of, look_at_fleet
from f2b_worker.query.places import noted_sets, open_ip_sets, read_notes
from f2b_worker.query.regions import region_object, regions_of
from f2b_worker.query.wording import (
    paused_is,
    plain_text,
    resume_command,
    rfc3339,
    seconds,
    time_object,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.ports import Notes, StandingBan, WorkerSign
    from f2b_worker.query.places import Noted
    from f2b_worker.query.regions import Region


RELOADED_WITHIN_MS = 90_000
"""So long after a reload was asked for, a worker that has not done it is a problem.

It does it within seconds, and gives a sign at once. If that sign is lost, the next one comes a minute later.
"""

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """How full an IP set was when it was last seen."""

    name: str
    blocklist: str
    family: int
    entries: int
    seen_ms: int


@dataclass(frozen=True, slots=True)
class Status:
    """What `f2b status` knows.

    Attributes:
        ledger: The table or file.
        now_ms: When it was so.
        bans: How many bans run in each jail.
        seen: Workers, queue, and who enforces.
        sets: The IP sets that are named.
        are_noted: Whether these are as an enforcer noted them; else WAF was asked.
        notes: What the enforcers noted.
        control: What all workers obey.
    """

    ledger: str
    now_ms: int
    bans: Mapping[str, int]
    seen: Seen
    sets: Sequence[Filled] = ()
    are_noted: bool = False
    notes: Mapping[str, Notes] = field(default_factory=dict)
    control: Control = field(default_factory=Control)

    @property
    def alive(self) -> list[WorkerSign]:
        """The workers that gave a sign of life of late."""
        return alive_of(self.seen.workers or (), self.now_ms)

    @property
    def regions(self) -> list[Region]:
        """Who enforces in each Region, how fast, and what waits."""
        return regions_of(self.seen.holders, self.notes)

    @property
    def problems(self) -> list[str]:
        """What somebody should see to, the worst first."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.seen.workers is not None and not self.alive:
            yield "no worker is alive: infractions wait, and no ban is written"
        yield from (f"worker {each.name}: {plain_text(each.remark)}" for each in self.alive if each.remark)
        yield from (each.text for each in conditions_of(self._fleet()))
        yield from self._not_reloaded()
        for name, pause in self.control.pauses.items():
            if pause.counts_at(self.now_ms):
                yield f"{paused_is(name)} paused by {plain_text(pause.by)}: {resume_command(name)}"

    def _fleet(self) -> FleetSeen:
        """Gather what is judged by the rules that notices go by, too."""
        entries: dict[tuple[str, int], list[int]] = {}
        for each in self.sets:
            entries.setdefault((each.blocklist, each.family), []).append(each.entries)
        return FleetSeen(
            self.now_ms,
            # Of a file nobody holds a lease.
            tuple(self.seen.holders) or (last_noted(self.notes) if self.sets else ()),
            self.notes,
            self.seen.holders,
            self.control,
            self.seen.queue.dead_letters if self.seen.queue else None,
            self.seen.workers,
            entries,
        )

    @property
    def behind(self) -> list[WorkerSign]:
        """The workers alive that have not read their file since somebody last asked for that."""
        generation = self.control.generation
        return [each for each in self.alive if each.generation is not None and each.generation < generation]

    @property
    def behind_told(self) -> str:
        """Name them in one line; empty if there is none."""
        names = [each.name for each in self.behind]
        if not names:
            return ""
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        have = "worker has" if len(self.alive) == 1 else "workers have"
        return f"{len(names):,} of {len(self.alive):,} {have} not reloaded: {', '.join(names[:_NAMED])}{more}"

    def _not_reloaded(self) -> Iterator[str]:
        asked_ms = self.control.asked_ms
        if self.behind and (asked_ms is None or self.now_ms - asked_ms > RELOADED_WITHIN_MS):
            yield f"{self.behind_told}: jails_kept in the log of each says why"


def look(
    settings: OperatorSettings,
    *,
    live: bool = False,
    standing: Iterable[StandingBan] | None = None,
    jails: Jails | None = None,
    read: Callable[[Sequence[Blocklist]], Iterable[Filled]] | None = None,
) -> Status:
    """Look at the whole fleet.

    Args:
        settings: They say where ledger, queue and IP sets are.
        live: Whether to ask WAF even where an enforcer noted how the IP sets are.
        standing: The last ban of every offender, if they are known already; they are read otherwise.
        jails: What the file says, if it is read already.
        read: Reads the IP sets where nobody noted how they are; WAF is asked otherwise.
    """
    blocklists = chosen_blocklists(jails or read_jails(settings.config), settings)
    now_ms = SystemClock().now_ms()
    if standing is None:
        standing = open_ban_book(settings, aside=lambda _: None).standing()
    notes = read_notes(open_notebooks(settings, aside=lambda _: None, writing=False))
    noted = None if live else noted_sets(blocklists, notes, now_ms)
    return Status(
        ledger=str(settings.state_file or settings.table),
        now_ms=now_ms,
        bans=running_by_jail(standing, now_ms),
        seen=look_at_fleet(settings, _regions(settings, blocklists), now_ms),
        sets=list(_noted(noted) if noted else (read or _read)(blocklists)),
        are_noted=noted is not None,
        notes=notes,
        control=open_acts(settings, aside=lambda _: None).control(),
    )


def running_by_jail(standing: Iterable[StandingBan], now_ms: int) -> dict[str, int]:
    """Count the bans that run, the jail with the most first."""
    return dict(Counter(each.who.jail for each in standing if is_running(each.ban, now_ms)).most_common())


def _noted(noted: Noted) -> Iterator[Filled]:
    for name, (_, groups) in noted.groups.items():
        for group in groups:
            yield from (Filled(each.name, name, group.family, each.entries, each.seen_ms) for each in group.sets)


def _read(blocklists: Sequence[Blocklist]) -> Iterator[Filled]:
    for name, each in open_ip_sets(blocklists):
        yield Filled(each.name, name, each.family, len(each.read().entries), SystemClock().now_ms())


def _regions(settings: OperatorSettings, blocklists: Sequence[Blocklist]) -> list[str]:
    """Name the Regions where a lease of the table says who enforces."""
    if settings.state_file or not blocklists:
        return []
    from f2b_worker.adapters.waf.ip_set import regions_of  # noqa: PLC0415 - who enforces nothing needs it not

    home = open_table(settings).meta.region_name
    return regions_of((each.scope for each in blocklists), home)


def status_object(found: Status) -> dict[str, Any]:
    """Return it as a JSON object."""
    queue = found.seen.queue
    return {
        "ok": not found.problems,
        "problems": found.problems,
        "ledger": found.ledger,
        "bans": {"total": sum(found.bans.values()), "jails": dict(found.bans)},
        "workers": None if found.seen.workers is None else [_worker(each, found) for each in found.seen.workers],
        "enforcers": [region_object(each) for each in found.regions],
        "queue": queue
        and {
            "waiting": queue.waiting,
            "in_flight": queue.in_flight,
            "delayed": queue.delayed,
            "dead_letters": queue.dead_letters,
            "oldest_age": None if found.seen.oldest_ms is None else seconds(found.seen.oldest_ms),
        },
        "sets": [
            {
                "name": each.name,
                "blocklist": each.blocklist,
                "family": each.family,
                "entries": each.entries,
                "capacity": SET_CAPACITY,
                **time_object("seen", each.seen_ms),
            }
            for each in found.sets
        ],
        "pauses": [
            {"blocklist": name, **time_object("until", pause.until_ms), "by": pause.by, "reason": pause.reason}
            for name, pause in found.control.pauses.items()
            if pause.counts_at(found.now_ms)
        ],
        "generation": found.control.generation,
        **time_object("reload_asked", found.control.asked_ms),
        "not_reloaded": [each.name for each in found.behind],
    }


def _worker(sign: WorkerSign, found: Status) -> dict[str, Any]:
    return {
        "name": sign.name,
        "alive": sign in found.alive,
        "seen": seconds(sign.at_ms),
        "seen_at": rfc3339(sign.at_ms),
        "version": sign.version,
        "remark": sign.remark,
        "generation": sign.generation,
        "judges": sign.judges,
    }
