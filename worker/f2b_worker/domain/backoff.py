"""How long to wait before something that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass

BACKOFF_MAX_S = 5.0

LIVES_S = 60.0
"""A process that lived for so long was well: its next death is a first one."""

RESTARTS_MAX = 5
"""So many deaths in a row, none of them after a life worth the name, and a process cannot live."""

PAUSE_MAX_S = 30.0
_DOUBLED_MAX = 10  # by then the pause is past its bound


def backoff_s(failures: int) -> float:
    """Tell how long to wait after so many failures in a row: 0.1 s doubled each time, and five seconds at most."""
    # Where the doubling ends it is past the bound; a float cannot take it through an outage of an hour and a half.
    return min(BACKOFF_MAX_S, 0.1 * float(2 ** min(failures, 10)))


@dataclass(slots=True)
class Restarts:
    """How often one process died in a row.

    Attributes:
        deaths: So often.
        restarts_max: How often it is started again before it is given up; None where others do its work meanwhile.
        pause_max_s: The longest wait before it is started again.
    """

    deaths: int = 0
    restarts_max: int | None = RESTARTS_MAX
    pause_max_s: float = PAUSE_MAX_S

    def pause_s(self, lived_s: float) -> float | None:
        """Tell how long to wait before the process is started again; None if it cannot live."""
        self.deaths = 1 if lived_s >= LIVES_S else self.deaths + 1
        if self.restarts_max is not None and self.deaths > self.restarts_max:
            return None
        return min(self.pause_max_s, 0.5 * float(2 ** min(self.deaths, _DOUBLED_MAX)))
