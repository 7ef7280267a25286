"""WAF's IP sets in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import canonical
from f2b_worker.errors import BadEntry, F2bError, LockLost, Missing
from f2b_worker.ports import IpSetContents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.ports import IpSet


class MemoryIpSet:
    """An IP set in memory that counts its calls.

    Attributes:
        refuses: Entries that WAF would not take.
        failure: Raised by every call while it is set.
        deleted: Whether somebody deleted it: then every call raises Missing.
        is_at_hand: Whether the next reading is said to take no call.
        listed_token: What the last search saw of it.
    """

    def __init__(self, family: int = 4, entries: Iterable[str] = (), name: str = "") -> None:
        self.held = frozenset(map(canonical, entries))
        self.refuses: set[str] = set()
        self.failure: F2bError | None = None
        self.deleted = False
        self.is_at_hand = False
        self.listed_token: str | None = None
        self.reads = 0
        self.writes = 0
        self._family = family
        self._name = name or f"memory-ipv{family}"
        self._version = 1

    @property
    def id(self) -> str:
        """What tells this very set from every other."""
        return f"memory:{self._name}"

    @property
    def name(self) -> str:
        """The name by which people know it."""
        return self._name

    @property
    def family(self) -> int:
        """The family, 4 or 6, of everything that it holds."""
        return self._family

    def read(self) -> IpSetContents:
        """Read the whole set."""
        self._fail_if_told()
        self.reads += 1
        self.is_at_hand = False
        return IpSetContents(self.held, str(self._version))

    def write(self, entries: Iterable[str], token: str) -> str:
        """Replace the whole set; answer the token for the next update."""
        self._fail_if_told()
        if token != str(self._version):
            raise LockLost(f"updating IP set {self._name}: the token is stale")
        wanted = frozenset(entries)
        for entry in sorted(wanted & self.refuses):
            raise BadEntry(f"updating IP set {self._name}: {entry} is refused", entry)
        self.edit(wanted)
        self.writes += 1
        return str(self._version)

    def be_listed(self) -> None:
        """Let a search see it as it is now."""
        self.listed_token = str(self._version)

    def edit(self, entries: Iterable[str]) -> None:
        """Change the set as somebody else would, in the console or by Terraform."""
        self.held = frozenset(entries)
        self._version += 1

    def _fail_if_told(self) -> None:
        if self.failure:
            raise self.failure
        if self.deleted:
            raise Missing(f"IP set {self._name} does not exist")


class MemoryIpSetFinder:
    """Finds the sets that it was given; deleted ones are not found.

    Attributes:
        ip_sets: The sets of each blocklist; add to them while an enforcer runs.
        not_referenced: The ids of sets that no rule refers to.
        failure: Raised by every call while it is set.
        finds_first: How many sets a search still finds before it raises that.
    """

    def __init__(self, ip_sets: Mapping[str, Sequence[MemoryIpSet]]) -> None:
        self.ip_sets = {name: list(sets) for name, sets in ip_sets.items()}
        self.not_referenced: set[str] = set()
        self.failure: F2bError | None = None
        self.finds_first = 0

    def find(self, tell: Callable[[str, IpSet], None] = lambda *_: None) -> Mapping[str, Sequence[IpSet]]:
        """Find the IP sets of each blocklist by its name; the last ones are told first."""
        found = {name: [each for each in sets if not each.deleted] for name, sets in self.ip_sets.items()}
        told = [(name, each) for name, sets in found.items() for each in reversed(sets)]
        for each in told[: self.finds_first if self.failure else None]:
            each[1].be_listed()
            tell(*each)
        self._fail_if_told()
        return found

    def unreferenced(self, ip_sets: Iterable[IpSet]) -> frozenset[str]:
        """Find the ids of those of *ip_sets* that no rule refers to."""
        self._fail_if_told()
        return frozenset(each.id for each in ip_sets if each.id in self.not_referenced)

    def _fail_if_told(self) -> None:
        if self.failure:
            raise self.failure
