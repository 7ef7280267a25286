"""What the loops need from the outside world: small Protocols, owned by who calls them.

Every adapter behind a port has an in-memory twin in `f2b_worker.testing`, and one contract suite runs over both.
All methods raise only errors of `f2b_worker.errors`.

Each port says from which threads it is called; docs/architecture.md shows them. One that does not speak of several
threads at once is called by one at a time.
"""

from f2b_worker.ports.acts import Acts, StandingOrders
from f2b_worker.ports.clock import Clock
from f2b_worker.ports.countries import Countries
from f2b_worker.ports.enforcing import Adopter, EntryKind, IpSet, IpSetContents, IpSetFinder, Notebook, Notes
from f2b_worker.ports.fleet import Fleet, Holder, QueueDepth, WorkerSign
from f2b_worker.ports.ledger import Answers, BanBook, Changes, Follower, Lease, Ledger, SchemaMark, StandingBan
from f2b_worker.ports.queue import (
    LETTERS_AT_ONCE,
    RECEIVE_MAX,
    DeadLetter,
    DeadLetters,
    Inbox,
    Message,
    QueueSettings,
    StoredLetter,
)
from f2b_worker.ports.tally import BanListener, Deaf, Tally, TallyReader

__all__ = [
    "LETTERS_AT_ONCE",
    "RECEIVE_MAX",
    "Acts",
    "Adopter",
    "Answers",
    "BanBook",
    "BanListener",
    "Changes",
    "Clock",
    "Countries",
    "DeadLetter",
    "DeadLetters",
    "Deaf",
    "EntryKind",
    "Fleet",
    "Follower",
    "Holder",
    "Inbox",
    "IpSet",
    "IpSetContents",
    "IpSetFinder",
    "Lease",
    "Ledger",
    "Message",
    "Notebook",
    "Notes",
    "QueueDepth",
    "QueueSettings",
    "SchemaMark",
    "StandingBan",
    "StandingOrders",
    "StoredLetter",
    "Tally",
    "TallyReader",
    "WorkerSign",
]
