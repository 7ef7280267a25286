"""What the enforcer needs beside the bans: IP sets, its notes, and who adopts entries of others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.domain.noted_sets import NotedSets


@dataclass(frozen=True, slots=True)
class IpSetContents:
    """What one IP set held when it was read, in canonical form, and the token that the next update needs."""

    entries: frozenset[str]
    token: str


class IpSet(Protocol):
    """One WAF IP set of one family, read and written from the enforcer's thread only."""

    @property
    def id(self) -> str:
        """What tells this very set from every other, for ever: its ARN. Two scopes may have sets of one name."""
        ...

    @property
    def name(self) -> str:
        """The name by which people know it."""
        ...

    @property
    def family(self) -> int:
        """The family, 4 or 6, of everything that it holds."""
        ...

    @property
    def is_at_hand(self) -> bool:
        """Whether the next `read` takes no call: to find the set was to read it, and that was just now."""
        ...

    @property
    def listed_token(self) -> str | None:
        """The token that the last search saw, if any; while it is one of ours, nobody else wrote."""
        ...

    def read(self) -> IpSetContents:
        """Read the whole set (GetIPSet).

        Raises:
            Missing: If somebody deleted the set.
        """
        ...

    def write(self, entries: Iterable[str], token: str) -> str:
        """Replace the whole set (UpdateIPSet); answer the token for the next update.

        Raises:
            LockLost: If somebody changed the set since *token* was given.
            BadEntry: If WAF refuses one of *entries*; then nothing was changed.
            Missing: If somebody deleted the set.
        """
        ...


class IpSetFinder(Protocol):
    """Which IP sets there are; asked at the start and every few seconds.

    Two threads at once, both aside of the enforcer's: one finds, one looks for references.
    """

    def find(self, tell: Callable[[str, IpSet], None] = ...) -> Mapping[str, Sequence[IpSet]]:
        """Find the IP sets of each blocklist by its name, both families, in the order of their numbers.

        A set that was found before is the same object again. A blocklist of which no set exists has an empty
        sequence.

        Args:
            tell: Called with each set as soon as it is found, and its blocklist's name; of a family those with
                the highest numbers come first, since they have room where any has. By default nobody hears of
                them before the answer.
        """
        ...

    def unreferenced(self, ip_sets: Iterable[IpSet]) -> frozenset[str]:
        """Find the ids of those of *ip_sets* that no rule in use refers to; slow, so rarely called."""
        ...


@dataclass(frozen=True, slots=True)
class Notes:
    """What an enforcer knew and its successor must know.

    Attributes:
        foreign: The entries of each IP set, by its id, that somebody else put there.
        held_back_from_ms: Bans that start at this time or later stay out, unless an IP set holds them already.
            None where no surge was noticed, or where it was released.
        released_ms: When somebody last released held back bans.
        networks: The collapsed networks of ours in each IP set, some of them perhaps not there any more.
        swept_ms: Of each IP set, by its id: no entry of a ban that ended before this time was left in it.
        lost: The notes that are there and cannot be read, by their name: `surge`, `foreign#<id of the IP set>` …
        sets: How the IP sets were, for commands; None where nobody noted it, or it cannot be read.
    """

    foreign: Mapping[str, frozenset[str]]
    held_back_from_ms: int | None = None
    released_ms: int | None = None
    networks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    swept_ms: Mapping[str, int] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    sets: NotedSets | None = None

    def is_lost(self, kind: EntryKind, ip_set_id: str) -> bool:
        """Tell whether what was noted of one kind of entries in one IP set cannot be read."""
        return bool(self.lost) and f"{kind}#{ip_set_id}" in self.lost


EntryKind: TypeAlias = Literal["foreign", "networks"]
"""The entries that are noted, as `Notes` names them."""


class Notebook(Protocol):
    """What the enforcer must still know after a takeover or a restart. Every answer is strongly consistent.

    It is called from the enforcer's thread only; a command in another process may write a release meanwhile.
    """

    def read(self) -> Notes:
        """Read everything that was noted."""
        ...

    def note_entries(self, kind: EntryKind, ip_set_id: str, entries: frozenset[str]) -> None:
        """Replace what was noted of one kind of entries in one IP set; none remove the note."""
        ...

    def note_swept(self, swept_ms: Mapping[str, int]) -> None:
        """Replace what was noted of when the last ended ban had left each IP set."""
        ...

    def note_sets(self, noted: NotedSets) -> None:
        """Replace what was noted of how the IP sets are."""
        ...

    def note_surge(self, held_back_from_ms: int | None) -> None:
        """Note that bans from *held_back_from_ms* on are held back; None: no more."""
        ...

    def note_release(self, now_ms: int) -> None:
        """Let in all bans that start up to *now_ms*: a surge noted from that time or earlier is over.

        A later surge stays. So a release is never lost, whoever writes last.
        """
        ...


class Adopter(Protocol):
    """Who takes charge of entries that somebody else put into an IP set; called from the enforcer's thread."""

    def adopt(self, entries: Iterable[str], blocklist: str) -> None:
        """Give each of *entries*, ranges included, a normal ban that is enforced in *blocklist*.

        An entry that is banned already is not banned again.
        """
        ...
