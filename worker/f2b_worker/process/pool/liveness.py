"""How the processes of a pool do, by what they tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.ports import Clock
    from f2b_worker.process.parts import Condition

SILENT_S = 10.0
"""Who tells nothing for so long hangs: it tells every second, from a thread that waits for nobody."""

STARTS_WITHIN_S = 120.0
"""Who starts waits for SQS, DynamoDB and WAF in turn, half a minute for each, before it tells anything."""


@dataclass(slots=True)
class Health:
    """What is known of one worker process and its successors.

    Attributes:
        name: What people call it.
        runs: Whether a process of this name runs.
        since_s: When it started, or last told how it does.
        told: How it does; None until it has told.
    """

    name: str
    runs: bool = False
    since_s: float = 0.0
    told: Condition | None = None

    def start(self, now_s: float) -> None:
        """Take it that a process was started."""
        self.runs, self.since_s, self.told = True, now_s, None

    def hear(self, told: Condition, now_s: float) -> None:
        """Take note of what the process tells."""
        self.told, self.since_s = told, now_s

    def end(self) -> None:
        """Take it that the process is dead."""
        self.runs, self.told = False, None

    def dead(self, now_s: float) -> str | None:
        """Say in one line that it is dead or hangs, or answer None."""
        if not self.runs:
            return f"{self.name} is dead, and is started again soon"
        silent_s = now_s - self.since_s
        if silent_s > (SILENT_S if self.told else STARTS_WITHIN_S):
            return f"{self.name} hangs: it gave no sign of life for {silent_s:.0f} s"
        return None

    def problem(self, now_s: float) -> str | None:
        """Say in one line why it does not do its work now, or answer None."""
        if dead := self.dead(now_s):
            return dead
        if not self.told:
            return f"{self.name} starts"
        return f"{self.name}: {self.told.problem}" if self.told.problem else None

    def conflict(self) -> str | None:
        """Say in one line what somebody should see to although it does its work, or answer None."""
        told = self.told
        return f"{self.name}: {told.conflict}" if told and told.conflict else None


def dead(every: Sequence[Health], clock: Clock) -> str | None:
    """Say in one line which process is dead or hangs, or answer None."""
    return next(filter(None, (each.dead(clock.monotonic_s()) for each in every)), None)


def problem(every: Sequence[Health], clock: Clock) -> str | None:
    """Say in one line which process does not do its work now, and why, or answer None."""
    return next(filter(None, (each.problem(clock.monotonic_s()) for each in every)), None)
