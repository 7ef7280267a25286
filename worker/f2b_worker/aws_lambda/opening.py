"""Opens what the function needs of AWS; a warm container keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.adapters.aws import dynamodb_client
from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.schema import DynamoSchema
from f2b_worker.adapters.sqs.events import DeadLetterQueues
from f2b_worker.aws_lambda.judge import EventJudge
from f2b_worker.config.jails_file import read_jails
from f2b_worker.process.assembly import LEDGER_CONNECTIONS, open_ledger, open_rules
from f2b_worker.process.opening import patiently
from f2b_worker.process.schema import check_schema, claim_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.adapters.gate import Gate
    from f2b_worker.aws_lambda.settings import Chosen


class Opened(NamedTuple):
    """What a warm container keeps between two invocations.

    Attributes:
        judge: Judges events.
        dead_letters: Where bad ones go.
        close: Ends its threads and connections.
    """

    judge: EventJudge
    dead_letters: DeadLetterQueues
    close: Callable[[], None]


def open_function(chosen: Chosen, gate: Gate) -> Opened:
    """Open everything.

    Args:
        chosen: The settings.
        gate: Stands in front of every call.

    Raises:
        StartError: If something is missing or wrong, or AWS was away for too long.
    """
    act_as("judge")
    settings, config, _ = chosen
    clock = SystemClock()
    jails = read_jails(config)
    table = dynamodb_client(connections=LEDGER_CONNECTIONS, plain_queries=True)
    gate.watch(table)
    ledger = patiently(settings, lambda: open_ledger(settings, jails.policy, clock, table), config)
    schema = DynamoSchema(table, settings.table)
    patiently(settings, lambda: claim_schema(schema), config)
    rules = patiently(settings, lambda: open_rules(lambda: read_jails(config), ledger.orders, clock), config)
    judge = EventJudge(
        ledger,
        rules,
        look_again=ledger.orders.look_again,
        check=lambda: check_schema(schema),
        settings=settings,
        clock=clock,
    )
    dead_letters = DeadLetterQueues(gate)

    def close() -> None:
        ledger.close()
        table.close()
        dead_letters.close()

    return Opened(judge, dead_letters, close)
