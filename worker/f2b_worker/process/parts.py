"""One worker process as its loops and whoever looks after it see it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from f2b_worker.observe.pulse import STILL_S, STUCK_S, standing_still
from f2b_worker.process.signs import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.jails import Policy
    from f2b_worker.enforcer import Enforcer
    from f2b_worker.intake.loop import Intake
    from f2b_worker.observe.pulse import Pulse
    from f2b_worker.process.regions import RegionPorts
    from f2b_worker.process.rules import Rules


@dataclass(frozen=True, slots=True)
class Condition:
    """How one worker process does.

    Attributes:
        problem: What keeps it from doing its work now, in one line, or None.
        conflict: What somebody should see to although it does its work, in one line, or None.
    """

    problem: str | None
    conflict: str | None


@dataclass(frozen=True, slots=True)
class Parts:
    """The loops of one worker process, and the events that stop and wake them.

    Attributes:
        intake: Judges infractions; None where this process only enforces.
        rules: What they go by.
        keep: Told the jails where no intake is, to remember offenders for as long as these ask for.
        close: Ends what feeds the intake, and lets go what it did not take; called once `stop` is set.
        interrupt: Ends what the intake may be waiting for.
        leaving: Set once a stop is asked for; clients are told to go elsewhere, and the loops go on.
        drain_s: So long after that `stop` is set.
        others: Further loops by name; each is given these parts, and ends by itself once `stop` is set.
        remark: Says what somebody should look at although work gets done, or None.
        wakes: One event an enforcer: each clears its own.
        regions: What each enforcer works with.
        blocklists: What the enforcers enforce until this process ends.
    """

    intake: Intake | None
    rules: Rules
    enforcers: Sequence[Enforcer] = ()
    wakes: Sequence[threading.Event] = ()
    regions: Sequence[RegionPorts] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    leaving: threading.Event = field(default_factory=threading.Event)
    drain_s: float = 0.0
    blocklists: tuple[Blocklist, ...] = ()
    close: Callable[[], None] = lambda: None
    interrupt: Callable[[], None] = lambda: None
    others: Mapping[str, Callable[[Parts], None]] = field(default_factory=dict)
    remark: Callable[[], str | None] = lambda: None
    keep: Callable[[Policy], None] = lambda _: None

    @property
    def problem(self) -> str | None:
        """One line about what keeps the loops from doing their work now, or None."""
        if self.stop.is_set() or self.leaving.is_set():
            return "stopping"
        still = standing_still(self._pulses, STILL_S)
        judging = self.intake.problem if self.intake else None
        problems = (still, judging, *(each.problem for each in self.enforcers))
        return next((each for each in problems if each), None)

    @property
    def stuck(self) -> str | None:
        """One line about a loop that has stood still for so long that only a restart helps, or None."""
        return standing_still(self._pulses, STUCK_S)

    @property
    def _pulses(self) -> dict[str, Pulse]:
        enforcers = {f"enforcer of {each.region}": each.pulse for each in self.enforcers}
        return {"intake": self.intake.pulse, **enforcers} if self.intake else enforcers

    @property
    def conflict(self) -> str | None:
        """One line about which other configuration is enforced, or what else somebody should look at, or None.

        A new deployment stands by until the old one stops, and may have to be ready before that: so it is.
        """
        enforcing = (*(each.conflict for each in self.regions), *(each.remark for each in self.enforcers))
        lines = (*enforcing, self.remark())
        return next((each for each in lines if each), None)

    @property
    def condition(self) -> Condition:
        """How this process does."""
        return Condition(self.problem, self.conflict)

    @property
    def said(self) -> Said:
        """What this process says of itself beside its sign of life."""
        remark, intake = self.problem or self.conflict or "", self.intake
        return Said(remark, self.rules.followed, intake is not None, intake.oldest_ms if intake else None)

    def hand_over(self) -> None:
        """Have every loop go by the rules as they are now."""
        self.rules.hand_over(self.intake.use if self.intake else self.keep, self.enforcers)
        set_all(self.wakes)

    def leave(self, *, by_hand: bool = False) -> None:
        """Ask every loop to stop once clients have gone elsewhere.

        Args:
            by_hand: Whether by Ctrl-C. The second time, that ends the wait; anything else changes nothing.
        """
        if self.leaving.is_set():
            if by_hand:
                self.end()
            return
        self.leaving.set()
        if self.drain_s:
            later = threading.Timer(self.drain_s, self.end)
            later.daemon = True  # a part that dies ends the process before
            later.start()
        else:
            self.end()

    def end(self) -> None:
        """Ask every loop to stop."""
        self.stop.set()
        self.interrupt()
        set_all(self.wakes)


def set_all(events: Sequence[threading.Event]) -> None:
    """Set each of them."""
    for each in events:
        each.set()
