"""The running fleet as pages see it: followed while somebody looks, at rest while nobody does."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.backoff import backoff_s
from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.judge.enforcement import JUDGED_WITHIN_MS
from f2b_worker.errors import F2bError, StuckError, Unavailable
from f2b_worker.query.following import Following

if TYPE_CHECKING:
    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.ports import Clock, Notes
    from f2b_worker.query.following import Snapshot

FOLLOWS_EVERY_S = 1.0
"""So often it is asked what became of the bans."""

RESTS_AFTER_S = 30.0
"""So long after somebody looked last nothing is asked any more: an open page that nobody sees costs nothing."""

FRESH_S = 5.0
"""What is older is not shown to somebody who has just come, unless no answer comes."""


class View:
    """Follows a fleet in a thread of its own.

    Any number of threads may look.

    Args:
        settings: They say where ledger, queue and IP sets are.
        jails: What the file says.
        clock: The time.

    Attributes:
        snapshot: What was known last; None before anything is.
        generation: Rises with each snapshot that tells something new.
    """

    def __init__(self, settings: OperatorSettings, jails: Jails, clock: Clock | None = None) -> None:
        self.snapshot: Snapshot | None = None
        self.generation = 0
        self._clock = clock or SystemClock()
        self._following = Following(settings, jails, self._clock)
        self._changed = threading.Condition()
        self._stir = threading.Event()
        self._closed = threading.Event()
        self._touched_s = float("-inf")
        self._tried_s = float("-inf")
        self._problem: F2bError | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)

    def start(self) -> None:
        """Begin; nothing is asked before somebody looks."""
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self._stir.set()
        if self._thread.is_alive():
            self._thread.join()

    def touch(self) -> None:
        """Say that somebody looks: it is followed for another while."""
        self._touched_s = self._clock.monotonic_s()
        self._stir.set()

    def expect_news(self) -> None:
        """Say that somebody acted: a pause or an entry of the allowlist is known after the next step."""
        self._following.look_next()
        self.touch()

    @property
    def jails(self) -> Jails:
        """What the file says; it is read again where somebody changed it."""
        return self._following.jails

    @property
    def rests(self) -> bool:
        """Whether nobody has looked for a while, so that nothing is asked."""
        return self._clock.monotonic_s() - self._touched_s > RESTS_AFTER_S

    def fresh(self, within_s: float = 10.0) -> Snapshot:
        """Answer what is known now; wait for it if it was at rest.

        Args:
            within_s: The longest wait; then an older snapshot is the answer, if there is one. Where it is known
                already that no answer comes, there is no wait.

        Raises:
            F2bError: If nothing is known, and why.
        """
        has_rested = self.rests
        self.touch()
        since_s = self._clock.monotonic_s() - FRESH_S
        with self._changed:
            if self.snapshot and self._problem and not has_rested:
                return self.snapshot
            is_in_time = self._changed.wait_for(
                lambda: self._tried_s >= since_s or not self._thread.is_alive(), within_s
            )
            if not is_in_time and not self._problem:
                # What is old is not shown as if it were so now, and who asks next does not wait as long again.
                self._keep(Unavailable("the ledger has not answered yet: try again"), self._tried_s)
            if self.snapshot is None:
                raise self._problem or Unavailable("the ledger has not answered yet: try again")
            return self.snapshot

    def wait_beyond(self, generation: int, within_s: float) -> None:
        """Wait until more is known than at *generation*, what somebody just did, say; *within_s* at most."""
        self.touch()
        with self._changed:
            self._changed.wait_for(lambda: self.generation > generation, within_s)

    def step(self) -> float | None:
        """Learn what is new; answer how long to wait before the next step. None: until somebody looks."""
        if self.rests:
            return None
        began_s = self._clock.monotonic_s()
        try:
            found = self._following.turn()
        except F2bError as error:
            self._failures += 1
            self._keep(error, began_s)
        else:
            self._failures = 0
            self._publish(found, began_s)
        pause_s = backoff_s(self._failures - 1) if self._failures else 0.0
        return max(0.0, began_s + max(FOLLOWS_EVERY_S, pause_s) - self._clock.monotonic_s())

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                pause_s = self.step()
                if pause_s is None:
                    self._stir.wait()
                    self._stir.clear()
                else:
                    self._clock.wait(self._closed, pause_s)
        except Exception as error:
            # Whoever waits hears of it; the traceback goes where those of threads go.
            self._keep(StuckError(f"what follows the fleet has ended: {error!r}"), float("inf"))
            raise

    def _publish(self, found: Snapshot, began_s: float) -> None:
        with self._changed:
            if self.snapshot is None or _told_by(self.snapshot) != _told_by(found):
                self.generation += 1
            self.snapshot = replace(found, number=self.generation)
            self._tried_s = began_s
            self._problem = None
            self._changed.notify_all()

    def _keep(self, error: F2bError, tried_s: float) -> None:
        """Keep what is known, and say why it is not newer."""
        with self._changed:
            self._problem = error
            self._tried_s = tried_s
            if self.snapshot and self.snapshot.problem != str(error):
                self.generation += 1
                is_away = self._following.is_ledger_away
                self.snapshot = replace(
                    self.snapshot, problem=str(error), number=self.generation, is_ledger_away=is_away
                )
            self._changed.notify_all()


def _told_by(found: Snapshot) -> tuple[object, ...]:
    """Tell what of a snapshot is worth to be shown again: not that it is later, or a worker still alive.

    Nor how fast bans get in, or how old a message is: pages are made anew every ten seconds, and have it then.
    """
    seen = found.status.seen
    workers = [replace(each, at_ms=each.at_ms // MINUTE_MS, started_ms=0) for each in seen.workers or ()]
    status = replace(found.status, now_ms=0, seen=replace(seen, workers=None, oldest_ms=None), sets=(), notes={})
    sets = [replace(each, seen_ms=0) for each in found.status.sets]
    notes = {region: _noted(each, found.newest_ms) for region, each in found.status.notes.items()}
    known = bool(found.places), found.seen_ms if found.read else None
    alive, told = len(found.status.alive), (found.problem, found.rest_problem, found.remarks)
    return id(found.standing), status, workers, alive, sets, notes, known, found.entries, told


def _noted(notes: Notes, newest_ms: int) -> tuple[object, ...]:
    """Tell what an enforcer noted, but for when: it notes the same again twice a minute."""
    if notes.sets is None:
        return (notes,)
    groups = [
        each._replace(sets=tuple(one._replace(seen_ms=0) for one in each.sets)) for each in notes.sets.groups
    ]
    # How far a ban is enforced follows from what the enforcer knew then, until it knew them all for a while.
    is_settled = notes.sets.known_ms - JUDGED_WITHIN_MS >= newest_ms
    return replace(notes, sets=None), groups, None if is_settled else notes.sets.known_ms
