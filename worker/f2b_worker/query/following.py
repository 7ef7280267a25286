"""What is known of a running fleet, brought up to date step by step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import F2bError, FileLost, StartError
from f2b_worker.process.opening import chosen_blocklists, open_acts, open_ban_book
from f2b_worker.query.looking import Seen
from f2b_worker.query.places import noted_places, noted_sets
from f2b_worker.query.remembered_sets import RememberedSets
from f2b_worker.query.status import Status, look, running_by_jail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.acts.allowlist import AllowEntry
    from f2b_worker.domain.judge.enforcement import NotedPlace, Place
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Clock, Follower, StandingBan
    from f2b_worker.query.places import Places

LOOKS_EVERY_S = 5.0
"""So often it is asked how all but the bans is."""


READS_AGAIN_S = 60.0
"""So often all bans are read anew while something cannot be read: no follower hears of who corrects an item, or
deletes it. To read 50,000 bans takes 0.4 s."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was known at one moment; it does not change.

    Attributes:
        at_ms: When; all but the bans may be older, and is then of the time of its status.
        status: The verdict, and all numbers.
        standing: The last ban of every offender; one that is over may be among them.
        unreadable: The bans that cannot be read.
        entries: The allowlist of the ledger.
        allowed: Whom nobody bans, by ledger and file.
        places: What is known of the IP sets of each blocklist.
        read: The IP sets themselves, where WAF was asked since no enforcer notes how they are.
        seen_ms: When the IP sets were so; None if nobody knows.
        problem: What keeps it from being newer, in one line; None: nothing.
        rest_problem: What keeps all but the bans from being newer, in one line; None: nothing.
        is_rest_known: Whether all but the bans was ever seen.
        remarks: What somebody should see to beside the problems of the fleet: a jails file that is wrong, say.
        is_ledger_away: Whether the ledger did not answer when it was asked last: who asks more waits in vain.
        newest_ms: When the ban began that began last.
        number: The view's generation; 0 where it is no view's. Two of one number tell the same, but when.
    """

    at_ms: int
    status: Status
    standing: Sequence[StandingBan]
    unreadable: Sequence[Unreadable] = ()
    entries: Sequence[AllowEntry] = ()
    allowed: Networks = field(default_factory=Networks)
    places: Mapping[str, Place] | Mapping[str, NotedPlace] = field(default_factory=dict)
    read: Places | None = None
    seen_ms: int | None = None
    problem: str | None = None
    rest_problem: str | None = None
    is_rest_known: bool = True
    remarks: Sequence[str] = ()
    newest_ms: int = 0
    number: int = 0
    is_ledger_away: bool = False

    @property
    def problems(self) -> list[str]:
        """What somebody should see to, the worst first: what is wrong with the fleet, then the remarks."""
        return [*self.status.problems, *self.remarks]


class Following:
    """Follows the bans of a fleet, and looks at the rest of it now and then; one thread at a time.

    Args:
        settings: They say where ledger, queue and IP sets are.
        jails: What the file says.
        clock: The time.

    Attributes:
        jails: What the file says now; as it was before while somebody writes nonsense into it.
        is_ledger_away: Whether the ledger did not answer when it was asked last.
    """

    def __init__(self, settings: OperatorSettings, jails: Jails, clock: Clock) -> None:
        self.jails = jails
        self.is_ledger_away = False
        self._settings = settings
        self._clock = clock
        self._follower: Follower | None = None
        self._files = _Files(settings)
        self._bans: dict[OffenderId, StandingBan] = {}
        self._unreadable: dict[str, Unreadable] = {}
        self._told: dict[str, Unreadable] = {}
        self._sets = RememberedSets(clock)
        self._began_s = self._looked_s = float("-inf")
        self._newest_ms = 0
        self._has_news = self._is_asked = False
        self._snapshot: Snapshot | None = None

    def look_next(self) -> None:
        """Have the next turn ask for the rest, too; any thread may say so."""
        self._is_asked = True

    def turn(self) -> Snapshot:
        """Learn what became of the bans, and where it is time, of the rest.

        Raises:
            F2bError: If the ledger does not say what became of the bans; the next turn goes on.
        """
        self.is_ledger_away = True
        self._follow()
        self.is_ledger_away = False
        is_asked, self._is_asked = self._is_asked, False
        if self._snapshot is None or is_asked or self._clock.monotonic_s() - self._looked_s >= LOOKS_EVERY_S:
            self._snapshot = self._look_or_say_why(self._snapshot)
            self._looked_s = self._clock.monotonic_s()
        elif self._has_news:
            self._snapshot = self._with_bans(self._snapshot)
        self._has_news = False
        return self._snapshot

    def _follow(self) -> None:
        if self._files.is_another_ledger():
            self._follower = None
        self._follower = self._follower or self._new_follower()
        follower = self._new_follower() if self._is_worth_another_reading() else self._follower
        self._told = {}
        try:
            changes = follower.poll()
            bans = {each.who: each for each in changes.bans}
        except FileLost:
            self._follower = None  # what is open is not what is there
            raise
        self._follower = follower
        if changes.is_all:
            self._bans, self._unreadable = {}, {}
        self._bans |= bans
        self._unreadable |= self._told
        self._has_news |= changes.is_all or bool(bans) or bool(self._told)

    def _new_follower(self) -> Follower:
        self._began_s = self._clock.monotonic_s()
        return open_ban_book(self._settings, aside=self._set_aside).follow()

    def _is_worth_another_reading(self) -> bool:
        return bool(self._unreadable) and self._clock.monotonic_s() - self._began_s >= READS_AGAIN_S

    def _set_aside(self, error: Unreadable) -> None:
        self._told[error.item] = error

    def _standing(self) -> Sequence[StandingBan]:
        """List the bans; it is the same list again where nothing is new."""
        if self._snapshot and not self._has_news:
            return self._snapshot.standing
        now_ms = self._clock.now_ms()
        # Whatever cannot be read counts as over, and somebody has to see it.
        self._bans = {
            who: each for who, each in self._bans.items() if is_running(each.ban, now_ms) or each.ban is UNREADABLE
        }
        self._newest_ms = max((each.ban.start_ms for each in self._bans.values()), default=0)
        return tuple(self._bans.values())

    def _with_bans(self, last: Snapshot) -> Snapshot:
        """Put the bans that are known now into what else was known."""
        now_ms = self._clock.now_ms()
        standing = self._standing()
        return replace(
            last,
            at_ms=now_ms,
            status=replace(last.status, bans=running_by_jail(standing, now_ms)),
            standing=standing,
            unreadable=tuple(self._unreadable.values()),
            newest_ms=self._newest_ms,
        )

    def _look_or_say_why(self, last: Snapshot | None) -> Snapshot:
        """Look at the rest; the bans wait neither for a queue that throttles nor for a permission."""
        try:
            return self._look()
        except F2bError as error:
            return replace(self._with_bans(last or self._nothing()), rest_problem=str(error))

    def _nothing(self) -> Snapshot:
        now_ms = self._clock.now_ms()
        ledger = str(self._settings.state_file or self._settings.table)
        return Snapshot(now_ms, Status(ledger, now_ms, {}, Seen(None, None, {})), (), is_rest_known=False)

    def _look(self) -> Snapshot:
        standing = self._standing()
        self._read_jails()
        blocklists = chosen_blocklists(self.jails, self._settings)
        status = look(self._settings, standing=standing, jails=self.jails, read=self._sets.filled)
        noted = noted_sets(blocklists, status.notes, status.now_ms)
        read = None if noted else self._sets.places(blocklists, status.notes)
        places: Mapping[str, Place] | Mapping[str, NotedPlace] = read.by_blocklist if read else {}
        entries = tuple(open_acts(self._settings, aside=lambda _: None).allowlist())
        return Snapshot(
            status.now_ms,
            status,
            standing,
            tuple(self._unreadable.values()),
            entries,
            with_entries(self.jails.allowed, entries, status.now_ms),
            noted_places(noted, status.notes) if noted else places,
            read,
            noted.seen_ms if noted else self._sets.seen_ms,
            remarks=tuple(self._remarks(are_noted=noted is not None)),
            newest_ms=self._newest_ms,
        )

    def _remarks(self, *, are_noted: bool) -> Iterator[str]:
        if self._sets.problem and not are_noted:
            yield self._sets.problem
        if self._files.problem:
            yield self._files.problem

    def _read_jails(self) -> None:
        """Read the file again where somebody changed it."""
        self.jails = self._files.jails() or self.jails


class _Files:
    """What becomes of the files that a fleet is described in: somebody may change them, or put others there."""

    def __init__(self, settings: OperatorSettings) -> None:
        self.problem: str | None = None
        self._settings = settings
        self._config = _mark(settings.config)
        self._ledger = _identity(settings.state_file)

    def is_another_ledger(self) -> bool:
        """Tell whether another file than before is the ledger now."""
        before, self._ledger = self._ledger, _identity(self._settings.state_file)
        return before != self._ledger

    def jails(self) -> Jails | None:
        """Read the jails again if their file was changed; None if not, or if it is wrong."""
        before, self._config = self._config, _mark(self._settings.config)
        if before == self._config:
            return None
        try:
            found = read_jails(self._settings.config)
        except StartError as error:
            self.problem = str(error)
            return None
        self.problem = None
        return found


def _mark(path: Path | None) -> tuple[int, ...]:
    """Tell a number that changes when somebody writes into a file, or puts another one there."""
    try:
        found = path.stat() if path else None
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found else ()


def _identity(path: Path | None) -> tuple[int, ...]:
    return _mark(path)[:1]
