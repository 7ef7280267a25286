"""In-memory twins of the adapters, for tests and trials: each passes the contract suite of its port."""

from f2b_worker.testing.acts import MemoryActs
from f2b_worker.testing.clock import FakeClock
from f2b_worker.testing.countries import MemoryCountries
from f2b_worker.testing.dead_letters import MemoryDeadLetters
from f2b_worker.testing.fleet import MemoryFleet
from f2b_worker.testing.inbox import MemoryInbox
from f2b_worker.testing.ip_sets import MemoryIpSet, MemoryIpSetFinder
from f2b_worker.testing.ledger import MemoryFollower, MemoryLease, MemoryLedger, MemoryNotebook
from f2b_worker.testing.notices import KeptTarget, MemoryNews, MemoryPlaces
from f2b_worker.testing.outbox import MemoryOutbox
from f2b_worker.testing.schema import MemorySchema
from f2b_worker.testing.tally import MemoryTally

__all__ = [
    "FakeClock",
    "KeptTarget",
    "MemoryActs",
    "MemoryCountries",
    "MemoryDeadLetters",
    "MemoryFleet",
    "MemoryFollower",
    "MemoryInbox",
    "MemoryIpSet",
    "MemoryIpSetFinder",
    "MemoryLease",
    "MemoryLedger",
    "MemoryNews",
    "MemoryNotebook",
    "MemoryOutbox",
    "MemoryPlaces",
    "MemorySchema",
    "MemoryTally",
]
