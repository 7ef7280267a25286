"""Offenders and bans, the mark of where they are stored, and the leases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
    from f2b_worker.domain.schema import Known, Schema
    from f2b_worker.errors import F2bError


class StandingBan(NamedTuple):
    """The last ban of one offender, as the enforcer sees it: it may be over.

    Infractions up to *lifted_ms* count no more, since somebody lifted a ban then; 0 if nobody did.
    """

    who: OffenderId
    ban: Ban
    lifted_ms: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """Bans that changed.

    Attributes:
        bans: Each as it is now; where these are all, they may be read while somebody goes through them, once.
        is_all: Whether these are all bans, and whatever was known before is void.
        is_complete: Whether all is known now that was told to followers before the poll began. If not, a ban may
            last longer than is known, and the next poll goes on. All bans are complete.
    """

    bans: Iterable[StandingBan]
    is_all: bool = False
    is_complete: bool = True


Answers: TypeAlias = "dict[OffenderId, Offender | F2bError]"
"""What the ledger holds of each offender, or why it cannot say."""


class Ledger(Protocol):
    """Offenders and bans, as the intake uses them. Every answer but that of `news` is strongly consistent.

    Several threads at once: the intake's, and those of enforcers which adopt entries by `commit`.
    """

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        """Add hits to what is remembered; answer everything that is remembered then.

        Adding the same hit again changes nothing. One offender's failure is its own: it stands in the
        answer in the offender's place, and the others are recorded.
        """
        ...

    def ban_strangers(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        """Store the first bans of those of whom nothing at all is remembered, in one write where hits are another.

        Returns:
            What is remembered then of those whom it banned, and errors. Who is left out is no stranger.
        """
        ...

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store bans, each offender's both or none of them.

        If an offender's ban changed since it was judged, nothing is stored for it. Either way the answer is
        what is remembered now: judge again until there is nothing to store.
        """
        ...

    def publish(self, offenders: Mapping[OffenderId, Offender]) -> Mapping[OffenderId, F2bError]:
        """Let everybody who follows the bans know the last ones of *offenders*, whoever stored them.

        Before a message is deleted, so that no ban stays unknown whose worker died.

        Returns:
            Whose bans may not be known, and why.
        """
        ...

    def news(self) -> Mapping[OffenderId, Offender]:
        """Read what was stored since this was last asked: last bans without hits, some perhaps again.

        It saves writes, no more. Called by one thread, which may be another than those that write. Of very many
        some are told, and the others by the next calls: see `has_more_news`.
        """
        ...

    @property
    def has_more_news(self) -> bool:
        """Whether the last `news` were a part only: up to when all is known is told with the last part."""
        ...

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        ...

    def keep_for(self, kept_ms: int) -> None:
        """Remember offenders for so long after the last hit and the last ban's end, from the next write on."""
        ...

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first."""
        ...

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail, ended ones included."""
        ...


class Follower(Protocol):
    """Who follows the bans; called by one thread at a time."""

    def poll(self) -> Changes:
        """Read the bans that changed since the last poll; all of them at first, and where that cannot be told.

        Raises:
            F2bError: If it is not known; the next poll goes on.
        """
        ...


class BanBook(Protocol):
    """The bans, as the enforcer and the command line read them. Every answer is strongly consistent.

    Several threads at once: the enforcer's, which learns all bans first, and those aside of it, which follow.
    """

    def follow(self) -> Follower:
        """Follow the bans from now on."""
        ...

    def standing(self) -> Sequence[StandingBan]:
        """Read the last ban of every offender; one that ended more than 15 minutes ago may be left out."""
        ...

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first."""
        ...

    def offender(self, who: OffenderId) -> Offender:
        """Read all else that is remembered of one offender; a stranger is an offender without a past."""
        ...

    def last_bans(self, whom: Collection[OffenderId]) -> Mapping[OffenderId, Ban | F2bError]:
        """Read the last bans of many, each with the infractions that it is backed by.

        Returns:
            Of each its last ban, or why nobody knows it; who was never banned is left out.
        """
        ...

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail, ended ones included."""
        ...


class SchemaMark(Protocol):
    """How a ledger says in which layout it is; asked at the start, and now and then from a thread of its own."""

    @property
    def what(self) -> str:
        """The table or file, for people."""
        ...

    @property
    def known(self) -> Known:
        """What this f2b knows of its layout."""
        ...

    def read(self) -> Schema | None:
        """Read how it is marked; None if it is not.

        Raises:
            Rejected: If the mark cannot be read.
        """
        ...

    def mark(self, schema: Schema) -> None:
        """Mark it, unless it is marked with this version or a later one."""
        ...


class Lease(Protocol):
    """The right to be the one that enforces, or the one that makes snapshots.

    Several threads at once: the enforcer's holds and releases; while a slow search goes on, it is renewed aside.
    """

    @property
    def is_next(self) -> bool:
        """Whether the holder has given no sign of life for seconds, and this process is to succeed it."""
        ...

    def hold(self) -> bool:
        """Take or keep the lease; tell whether this process holds it now. Call it about once a second."""
        ...

    def release(self) -> None:
        """Give the lease back, so that another process takes it at once."""
        ...
