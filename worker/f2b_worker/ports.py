"""What the loops need from the outside world: small Protocols, owned by who calls them.

Every adapter behind a port has an in-memory twin in `f2b_worker.testing`, and one contract suite runs over both.
All methods raise only errors of `f2b_worker.errors`.

Each port says from which threads it is called; docs/architecture.md shows them. One that does not speak of several
threads at once is called by one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Mapping, Sequence

    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
    from f2b_worker.domain.schema import Known, Schema
    from f2b_worker.errors import F2bError


RECEIVE_MAX = 10
"""So many messages one receive brings at most: SQS's limit, and so everybody's."""


class Clock(Protocol):
    """Time, as a value to be handed in; for any number of threads at once."""

    def now_ms(self) -> int:
        """Tell the wall-clock time in epoch milliseconds."""
        ...

    def monotonic_s(self) -> float:
        """Tell a time that never goes back, in seconds from an arbitrary start."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until *event* is set or *timeout_s* has passed; tell whether it is set."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of one message.

    Attributes:
        id: The same at every delivery.
        receipt: Names this delivery.
        body: The text.
        sent_at_ms: When the queue took it.
    """

    id: str
    receipt: str
    body: str
    sent_at_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message body for the dead-letter queue, and why it goes there.

    Attributes:
        reasons: How often each reason applies; their names go into the attribute `f2b.reason`.
        detail: One clear line about the first of them.
        message_id: The message that it came with.
    """

    body: str
    reasons: Mapping[str, int]
    detail: str
    message_id: str

    @property
    def reason(self) -> str:
        """All reasons, as the attribute's text."""
        return " ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How a queue is set.

    Attributes:
        url: Its URL.
        visibility_s: For how long it hides what was received.
        dead_letters: The ARN of its dead-letter queue; empty if it has none.
        receives_max: How often a message is received before it goes there; 0 if it has none.
        retention_s: For how long it keeps a message.
        delay_s: How long it holds back a new message.
    """

    url: str
    visibility_s: int
    dead_letters: str
    receives_max: int
    retention_s: int
    delay_s: int


class Inbox(Protocol):
    """The queue that infractions come from, as the intake uses it.

    Several threads at once: the receivers receive, the keeper keeps, and letters are buried and messages
    deleted aside of the intake.
    """

    @property
    def visibility_s(self) -> float:
        """How long a received or kept message stays hidden from others."""
        ...

    def receive(self, *, wait_s: float) -> list[Message]:
        """Receive up to ten messages, waiting up to *wait_s* (whole seconds, 20 at most) for the first."""
        ...

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages for good; deleting twice is no error."""
        ...

    def keep(self, messages: Sequence[Message]) -> None:
        """Keep messages invisible to others for another visibility timeout from now on."""
        ...

    def release(self, messages: Sequence[Message]) -> None:
        """Make messages visible to every worker again, at once."""
        ...

    def postpone(self, messages: Sequence[Message]) -> None:
        """Leave messages in the queue, to come again some time later; calls nobody."""
        ...

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        """Store *letters* in the dead-letter queue; answers for each why it is not there, or None if it is."""
        ...


class StandingBan(NamedTuple):
    """The last ban of one offender, as the enforcer sees it: it may be over."""

    who: OffenderId
    ban: Ban


@dataclass(frozen=True, slots=True)
class Changes:
    """Bans that changed.

    Attributes:
        bans: Each as it is now; where these are all, they may be read while somebody goes through them, once.
        is_all: Whether these are all bans, and whatever was known before is void.
    """

    bans: Iterable[StandingBan]
    is_all: bool = False


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

        It saves writes, no more. Called by one thread, which may be another than those that write.
        """
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

    def find(self) -> Mapping[str, Sequence[IpSet]]:
        """Find the IP sets of each blocklist by its name, both families, in the order of their numbers.

        A set that was found before is the same object again. A blocklist of which no set exists has an empty
        sequence.
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
    """

    foreign: Mapping[str, frozenset[str]]
    held_back_from_ms: int | None = None
    released_ms: int | None = None
    networks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    swept_ms: Mapping[str, int] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()

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
