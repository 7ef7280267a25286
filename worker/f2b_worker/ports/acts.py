"""What operators do to bans, and what a running worker follows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.acts.allowlist import AllowEntry
    from f2b_worker.domain.acts.control import Control
    from f2b_worker.domain.acts.hand_bans import Order
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.errors import F2bError


class Acts(Protocol):
    """What an operator does, each with the act that remembers who did it and why; called by one thread at a time.

    What is done is known to everybody who follows the bans, and stands in the audit, as soon as a call returns:
    each change is stored together with both, or not at all. An act that is applied again, with its id, its time
    and the same things, does what is not done yet, changes nothing else, and answers as before: after an
    error, call again. `Act.at_ms` is when it is done: bans end and start then.

    All methods raise only errors of `f2b_worker.errors`. Of an act on many, one's failure is its own where the
    ledger can tell; where it fails as a whole, it raises.
    """

    def jails_of(self, key: str) -> Sequence[OffenderId]:
        """Find in which jails anything is remembered of one address key, unused infractions included; by name.

        Any number of threads at once.
        """
        ...

    def lift(
        self, act: Act, whom: Iterable[OffenderId], *, forget: bool = False
    ) -> Mapping[OffenderId, Ban | F2bError | None]:
        """End the running bans of *whom*; infractions up to now are spent, also where no ban runs.

        Args:
            act: Who, and why.
            whom: Whose bans; each fails by itself.
            forget: Whether unused infractions go, too, and the next ban counts as the first one.

        Returns:
            Of each the ban that was ended, as it was before; None if none ran; or why it is not known to be ended.
        """
        ...

    def ban(self, act: Act, orders: Mapping[OffenderId, Order]) -> Mapping[OffenderId, Offender | F2bError]:
        """Carry out bans by hand; see `hand_bans.banned_by_hand`. Who may be banned, the caller knows.

        Returns:
            Of each what stands then, or why that is not known.
        """
        ...

    def allow(self, act: Act, entries: Sequence[AllowEntry]) -> None:
        """Put entries on the allowlist, each in the place of one of the same network; it lifts no ban.

        Raises:
            F2bError: If some of them may not be there.
        """
        ...

    def disallow(self, act: Act, networks: Iterable[str]) -> frozenset[str]:
        """Take networks, in canonical form, off the allowlist; answer those that were there.

        Raises:
            F2bError: If some of them may still be there.
        """
        ...

    def allowlist(self) -> Sequence[AllowEntry]:
        """Read the allowlist, by network; entries that ended may be in it. Strongly consistent."""
        ...

    def pause(self, act: Act, blocklist: str, until_ms: int | None) -> None:
        """Have nothing written to a blocklist, or `EVERY_BLOCKLIST`, up to *until_ms*; None: until `resume`."""
        ...

    def resume(self, act: Act, blocklist: str) -> bool:
        """End the pause of that name; tell whether there was one, which may have ended."""
        ...

    def reload(self, act: Act) -> int:
        """Ask all workers to read their files again; answer the generation that they come to."""
        ...

    def control(self) -> Control:
        """Read what all workers obey. Strongly consistent."""
        ...

    def note(self, act: Act) -> None:
        """Remember an act that was done elsewhere, a release for one."""
        ...

    def audit(self, since_ms: int, until_ms: int | None = None) -> Iterable[Act]:
        """Go through the acts of a time, the newest first; None: up to now, and what clocks that are ahead did."""
        ...

    def acts_on(self, key: str) -> Sequence[Act]:
        """Read the acts on one address key or network, of that very text, the newest first.

        Each names that alone; `Act.count` says how many there were.
        """
        ...


class StandingOrders(Protocol):
    """What a running worker follows of the acts, beside the bans; for any number of threads at once."""

    def mark(self) -> int:
        """Tell a number that is another one whenever the allowlist or the control may have changed.

        It costs nobody a call: it changes when whoever follows the bans in this process has read of it.
        """
        ...

    def allowlist(self) -> Sequence[AllowEntry]:
        """Read the allowlist, by network; entries that ended may be in it. Strongly consistent."""
        ...

    def control(self) -> Control:
        """Read what all workers obey. Strongly consistent."""
        ...
