"""One thing that has to be there, and the patience for an AWS that does not show it yet."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from f2b_worker.errors import Missing, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.ports import Clock

T = TypeVar("T")

SHOWN_WITHIN_S = 60.0
"""How long AWS may take to show what was made: up to 60 seconds for a queue's attributes, a second for a queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that must be there.

    Attributes:
        what: Its name for people.
        is_there: Looks for it.
        make: Makes it.
        remark: What to say of one that is there, but not as it would be made now; empty if it is.
    """

    what: str
    is_there: Callable[[], bool]
    make: Callable[[], None]
    remark: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits for what was made just now, and says so.

    Attributes:
        clock: Tells how long.
        say: Takes a line for people.
    """

    clock: Clock
    say: Callable[[str], None]

    def until_shown(self, what: str, look: Callable[[], T]) -> T:
        """Look again and again until AWS shows *what*.

        Raises:
            Unavailable: If it does not within a minute.
        """
        never, began_s, said = threading.Event(), self.clock.monotonic_s(), False
        while True:
            try:
                return look()
            except (Missing, Unavailable) as error:
                if self.clock.monotonic_s() - began_s >= SHOWN_WITHIN_S:
                    line = f"{what}: made, but AWS does not show it after {SHOWN_WITHIN_S:.0f} s; run it again"
                    raise Unavailable(f"{line} ({error})") from error
            if not said:
                said = True
                self.say(f"{what}: made; waiting until AWS shows it, {SHOWN_WITHIN_S:.0f} s at most")
            self.clock.wait(never, _LOOK_EVERY_S)


def finds(look: Callable[..., object], *args: object) -> bool:
    """Tell whether *look* finds what it looks for."""
    try:
        look(*args)
    except Missing:
        return False
    return True
