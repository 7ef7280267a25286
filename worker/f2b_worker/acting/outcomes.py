"""What became of each thing that somebody asked for, as rows of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import display
from f2b_worker.query.wording import SHOWN_CHARACTERS, moment, plain_text, time_object

if TYPE_CHECKING:
    from f2b_worker.domain.judge.verdicts import OffenderId

KEYS = ("ip", "jail", "outcome", "until", "until_at", "why")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one thing.

    Attributes:
        network: What it is about; as it was written, if nobody can read it.
        outcome: In one word.
        jail: The jail that it is about; empty for none.
        until_ms: Until when it holds; None for ever, or where it does not hold.
        why: Why it is so, where that is to be said.
        is_no: Whether it was refused, or failed.
    """

    network: str
    outcome: str
    jail: str = ""
    until_ms: int | None = None
    why: str | None = None
    is_no: bool = False

    @classmethod
    def failed(cls, who: OffenderId, why: object) -> Outcome:
        """Say that it failed for one offender, and why."""
        return cls(who.key, "failed", who.jail, why=str(why), is_no=True)

    @property
    def shown(self) -> str:
        """The network as people write it; what is none steers no terminal, and fills none."""
        return plain_text(display(self.network)[:SHOWN_CHARACTERS])

    def as_object(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "ip": display(self.network),
            "jail": self.jail or None,
            "outcome": self.outcome,
            **time_object("until", self.until_ms),
            "why": self.why,
        }

    def as_row(self) -> tuple[str, ...]:
        """Return it as cells."""
        until = "" if self.until_ms is None else moment(self.until_ms)
        return self.shown, self.jail, self.outcome, until
