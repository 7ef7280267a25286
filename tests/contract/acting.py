"""Who acts, and on what, in the contract tests of acts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ConnectionClosedError

from f2b_worker.adapters.dynamodb.acts import transactions
from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.sqlite.acts import SqliteActs, open_acts
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.errors import Unavailable
from f2b_worker.testing import MemoryActs, MemoryLedger
from tests.contract.ledgers import (
    TABLE,
    WHO,
    Book,
    ban,
    commit,
    hit,
    hits,
    record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.ports import Acts, StandingOrders
    from f2b_worker.testing import FakeClock

OTHER = OffenderId("admin", WHO.key)
STRANGER = OffenderId("login", "198.51.100.9/32")
LIFTED_MS = hit(100).at_ms
ORDER = Order(LIFTED_MS + DAY_MS)


@pytest.fixture
def acts(request: pytest.FixtureRequest, ledger: Book, clock: FakeClock) -> Iterator[Acts]:
    """What people do to the bans of the ledger, as from a command in another process."""
    if isinstance(ledger, MemoryLedger):
        yield MemoryActs(ledger)
    elif isinstance(ledger, SqliteLedger):
        state: StateFile = request.getfixturevalue("state")
        opened = open_acts(state.path)
        yield opened
        opened.close()
    else:
        client: DynamoDBClient = request.getfixturevalue("dynamodb")
        found = DynamoActs(client, TABLE, clock)
        yield found
        found.close()


@pytest.fixture
def orders(acts: Acts, ledger: Book) -> StandingOrders:
    """What a worker on the ledger follows."""
    if isinstance(acts, MemoryActs):
        return acts
    assert isinstance(ledger, (DynamoLedger, SqliteLedger))
    return ledger.orders


@pytest.fixture
def answers_are_lost(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """Lets what is written take effect, while nobody hears of it."""

    @contextmanager
    def lost() -> Iterator[None]:
        with monkeypatch.context() as patch:
            if isinstance(acts, DynamoActs):
                patch.setattr(transactions, "PAUSES_S", ())
                events = acts._client.meta.events
                events.register("after-call.dynamodb.TransactWriteItems", _lose)
                yield
                events.unregister("after-call.dynamodb.TransactWriteItems", _lose)
            else:
                what = acts._writer if isinstance(acts, SqliteActs) else acts
                assert isinstance(what, (Writer, MemoryActs))
                for name in ("do",) if isinstance(what, Writer) else ("lift", "reload"):
                    patch.setattr(what, name, _losing(getattr(what, name)))
                yield

    return lost


def _lose(**_: object) -> None:
    raise ConnectionClosedError(endpoint_url="lost")


def _losing(call: Callable[..., object]) -> Callable[..., object]:
    def lose(*asked: object, **more: object) -> object:
        call(*asked, **more)
        raise Unavailable("the answer is lost")

    return lose


@pytest.fixture
def heard(orders: StandingOrders, ledger: Book) -> Callable[[], bool]:
    """Tells whether a worker, once it has asked for news, has to read its orders again."""
    ledger.news()
    known = [orders.mark()]

    def is_told() -> bool:
        ledger.news()
        known.append(orders.mark())
        return known[-1] != known[-2]

    return is_told


def act(
    verb: Verb = Verb.UNBAN, *what: str, number: int = 1, at_ms: int = LIFTED_MS, reason: str = "tired"
) -> Act:
    return Act(f"5f0c91aa{number:08d}", at_ms, "arn:aws:sts::1:ann", verb, what, reason=reason)


def banned(ledger: Book, who: OffenderId = WHO, start_s: float = 30) -> Ban:
    """Have somebody banned by the judge, for ten minutes."""
    found = ban(start_s, evidence=hits(start_s - 2, start_s - 1, start_s))
    seen = record(ledger, *found.evidence, who=who)
    commit(ledger, seen, found, who=who)
    return found


def unread(offender: Offender) -> Offender:
    return replace(offender, hits=frozenset())
