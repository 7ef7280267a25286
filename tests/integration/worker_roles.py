"""What workers do with AWS: one that judges and enforces, one that only judges, and one that only enforces."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.aws import dynamodb_client
from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.dynamodb.many import MANY
from f2b_worker.adapters.dynamodb.schema import DynamoSchema
from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.jails import Jail, Policy
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.domain.tally import BanSheets, Counted, Sheet, hour_of
from f2b_worker.enforcer import LedgerAdopter
from f2b_worker.errors import F2bError
from f2b_worker.ports import DeadLetter, WorkerSign
from f2b_worker.process.assembly import begin_as_scribe, open_inbox, open_ledger
from f2b_worker.process.regions import open_regions
from f2b_worker.process.schema import claim_schema
from tests.integration.provisioning import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
    from f2b_worker.adapters.sqs.inbox import SqsInbox
    from f2b_worker.adapters.waf.finder import WafFinder
    from f2b_worker.process.regions import RegionPorts

ADDRESS = "203.0.113.7"
WHO = OffenderId("default", f"{ADDRESS}/32")
SETTINGS = WorkerSettings(queue=NAMES[1], table=NAMES[3], ip_set=(NAMES[5],))
POLICY = Policy(Jail("default"))
FOREIGN = [f"192.0.2.{last}/32" for last in range(100, 100 + MANY)]
"""So many entries of somebody else that they are adopted by one call."""


class Told:
    """Runs steps, and keeps the line of each that fails."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, do: Callable[[], Any]) -> Any:
        try:
            answer = do()
        except F2bError as error:
            self.lines.append(str(error))
            return None
        if isinstance(answer, dict):  # of a ledger: an answer for each offender
            self.lines += [str(each) for each in answer.values() if isinstance(each, F2bError)]
        return answer


def a_worker() -> list[str]:
    """Receive, judge and enforce."""
    return _played("worker", judging=True, enforcing=True)


def a_judge() -> list[str]:
    """Receive and judge: a worker without IP sets, or a Lambda function."""
    return _played("judge", judging=True, enforcing=False)


def an_enforcer() -> list[str]:
    """Enforce what others judge."""
    return _played("enforcer", judging=False, enforcing=True)


def _played(role: str, *, judging: bool, enforcing: bool) -> list[str]:
    act_as(role)
    told = Told()
    if judging:
        _take_in(told)
    _keep(told, judging=judging, enforcing=enforcing)
    return told.lines


def _take_in(told: Told) -> None:
    inbox: SqsInbox | None = told.step(lambda: open_inbox(SETTINGS))
    if not inbox:
        return
    messages = told.step(lambda: inbox.receive(wait_s=0)) or []
    told.step(inbox.depth)
    told.step(lambda: inbox.keep(messages))
    told.step(lambda: inbox.release(messages))
    told.step(lambda: inbox.delete(messages))
    told.step(lambda: dict(enumerate(inbox.bury([DeadLetter("{", {"not_json": 1}, "no JSON", "1")]))))


def _keep(told: Told, *, judging: bool, enforcing: bool) -> None:
    """Do with the table, and WAF, what a worker does."""
    clock, client = SystemClock(), dynamodb_client(connections=1)
    told.step(lambda: claim_schema(DynamoSchema(client, SETTINGS.table)))
    ledger: DynamoLedger | None = told.step(lambda: open_ledger(SETTINGS, POLICY, clock))
    if ledger:
        told.step(ledger.orders.allowlist)
        told.step(ledger.orders.control)
        told.step(ledger.news)
        if judging:
            _judge(told, ledger, clock.now_ms())
        if enforcing:
            adopter = LedgerAdopter(ledger, lambda: POLICY, clock)
            for entries in (["192.0.2.9/32"], FOREIGN, FOREIGN):  # one alone; many, and then known ones
                told.step(partial(adopter.adopt, entries, "block"))
        ledger.close()
    _be_the_scribe(told)
    _count(told, DynamoTally(client, SETTINGS.table), clock.now_ms())
    fleet = DynamoFleet(client, SETTINGS.table)
    told.step(lambda: fleet.sign(WorkerSign("this one", clock.now_ms(), clock.now_ms(), "1", "")))
    told.step(lambda: fleet.leave("this one"))
    if enforcing:
        blocklists = [Blocklist("block", SETTINGS.ip_set)]
        for ports in told.step(lambda: open_regions(SETTINGS, blocklists, clock)) or ():
            _follow(told, ports)
            enforce(told, ports.finder)


def _judge(told: Told, ledger: DynamoLedger, now_ms: int) -> None:
    offenders = [OffenderId("default", f"203.0.113.{number}/32") for number in range(1, MANY + 2)]
    told.step(lambda: ledger.record({WHO: [Hit(now_ms, "a")]}))
    for hit in ("b", "c"):  # of strangers, and of those who are known
        told.step(lambda hit=hit: ledger.record({who: [Hit(now_ms, hit)] for who in offenders}))  # type: ignore[misc]
    ban = Ban(now_ms, now_ms + 600_000, 1, 600_000)
    told.step(lambda: ledger.commit({WHO: Decision(Offender(), ban)}))
    told.step(lambda: ledger.publish({WHO: ledger.offender(WHO)}))
    told.step(ledger.news)
    told.step(lambda: ledger.standing_of(WHO.key))


def _be_the_scribe(told: Told) -> None:
    """Read the snapshot, then the log, lift the ban that it tells of inside the allowlist, and count bans."""
    clock = SystemClock()
    client = dynamodb_client(connections=1)
    scribe, pardoning, _ = begin_as_scribe(client, SETTINGS, clock, lambda: POLICY)
    for _ in range(2):
        changes = told.step(scribe.tick)
        if changes is not None:
            told.step(lambda changes=changes: pardoning.heed(changes))  # type: ignore[misc]


def _count(told: Told, tally: DynamoTally, now_ms: int) -> None:
    """Store the numbers over time, of this process and of all bans."""
    told.step(lambda: tally.note("this one", Sheet(hour_of(now_ms))))
    version = before.version if (before := told.step(tally.bans)) else 0
    counted = BanSheets(Counted("", 0, now_ms, now_ms), Sheet(hour_of(now_ms)), version=version + 1)
    told.step(lambda: tally.note_bans(counted) or None)


def _follow(told: Told, ports: RegionPorts) -> None:
    told.step(ports.lease.hold)
    told.step(ports.bans.standing)
    told.step(lambda: ports.bans.follow().poll())
    told.step(lambda: ports.notebook.note_entries("foreign", "arn", frozenset({"192.0.2.1/32"})))
    told.step(lambda: ports.notebook.note_entries("foreign", "arn", frozenset()))
    told.step(ports.notebook.read)


def enforce(told: Told, finder: WafFinder) -> None:
    """Find IP sets, read and write one, and look for the rules that refer to them."""
    found = told.step(finder.find) or {}
    ip_sets = [each for several in found.values() for each in several]
    for each in ip_sets[:1]:
        told.step(lambda each=each: each.write([], each.read().token))  # type: ignore[misc]
    told.step(lambda: finder.unreferenced(ip_sets))
