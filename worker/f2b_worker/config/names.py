"""What names the parts of a fleet, whoever asks: a worker's settings have it, and an operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Names(Protocol):
    """Where queue, ledger and IP sets are."""

    @property
    def queue(self) -> str | None:
        """The queue, if there is one."""
        ...

    @property
    def required_queue(self) -> str:
        """The queue, for whoever cannot do without."""
        ...

    @property
    def table(self) -> str:
        """The table of the ledger."""
        ...

    @property
    def state_file(self) -> Path | None:
        """The file that takes the place of queue and table, if any."""
        ...

    @property
    def standalone(self) -> bool:
        """Whether there is neither queue nor table."""
        ...

    @property
    def ip_set(self) -> Sequence[str]:
        """IP sets of the blocklist `block`."""
        ...

    @property
    def audit_days(self) -> int:
        """For how many days an act is remembered."""
        ...

    @property
    def scope(self) -> str:
        """Their scope."""
        ...
