"""Makes what a fleet needs in AWS, one idempotent step each."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.aws import dynamodb_client
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.schema import DynamoSchema
from f2b_worker.adapters.dynamodb.table import check_table
from f2b_worker.adapters.provisioning import needs
from f2b_worker.adapters.provisioning.queues import Queues
from f2b_worker.adapters.provisioning.steps import Step, finds
from f2b_worker.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.provisioning.steps import Patience
    from f2b_worker.config.names import Names


@dataclass(frozen=True, slots=True)
class Protections:
    """How a new table is protected, and for how much it is ready from its first second.

    Attributes:
        deletion_protection: Whether it cannot be deleted.
        point_in_time_recovery: Whether it can be restored as it was at any second of the last 35 days.
        warm_writes_per_s: For so many write units a second; None is what DynamoDB gives a new table, 4,000.
        warm_reads_per_s: For so many read units a second; None is 12,000.
    """

    deletion_protection: bool = True
    point_in_time_recovery: bool = True
    warm_writes_per_s: int | None = None
    warm_reads_per_s: int | None = None

    @property
    def warm_throughput(self) -> dict[str, int]:
        """As DynamoDB names it; empty leaves it as it is."""
        wanted = {"ReadUnitsPerSecond": self.warm_reads_per_s, "WriteUnitsPerSecond": self.warm_writes_per_s}
        return {name: number for name, number in wanted.items() if number is not None}


PLAIN = Protections(deletion_protection=False, point_in_time_recovery=False)
"""A table without any."""


def steps(settings: Names, protections: Protections, patience: Patience) -> Iterator[Step]:
    """List what a worker with *settings* needs of SQS and DynamoDB, in the order in which it can be made.

    Args:
        settings: They name queue and table.
        protections: For a table that is made.
        patience: For what AWS does not show yet.
    """
    yield from queue_steps(settings, patience)
    yield from Table(settings.table, protections, patience).steps()


def queue_steps(settings: Names, patience: Patience) -> Iterator[Step]:
    """List what it needs of SQS alone."""
    yield from Queues(settings.required_queue, patience).steps()


class Table:
    """The ledger's table, made or not.

    Args:
        name: The table's name.
        protections: For a table that is made; one that is there is left as it is, and the difference is said.
        patience: For what DynamoDB does not show yet.
    """

    def __init__(self, name: str, protections: Protections, patience: Patience) -> None:
        self._client = dynamodb_client(connections=1)
        self._name = name
        self._wish = protections
        self._patience = patience
        self._made_now = False

    def steps(self) -> Iterator[Step]:
        """List what has to be there, in the order in which it can be made."""
        there, log, format_of = self._own_steps()
        yield replace(there, remark=lambda: differences(self._client, self._name, self._wish))
        yield Step(
            f"time to live of table {self._name}",
            lambda: _has_ttl(self._client, self._name),
            lambda: _set_ttl(self._client, self._name),
        )
        yield log
        yield format_of
        if self._wish.point_in_time_recovery:
            yield Step(
                f"point-in-time recovery of table {self._name}",
                lambda: self._can_be_restored() or self._was_there(),
                self._let_be_restored,
                lambda: "" if self._can_be_restored() else _recovery_is_off(self._name),
            )

    def steps_of_a_worker(self) -> Iterator[Step]:
        """List those of them that a worker itself looks for; how the table is protected is not its matter."""
        yield from self._own_steps()

    def steps_of_rows(self) -> Iterator[Step]:
        """List what f2b keeps in the table before the first worker: no template can write it.

        They need no more than worker.json allows: DescribeTable, GetItem and PutItem.

        Raises:
            Missing: If the table is not there.
        """
        check_table(self._client, self._name)
        _, *rows = self._own_steps()
        yield from rows

    def _own_steps(self) -> tuple[Step, Step, Step]:
        name = self._name
        log = BanLogItems(self._client, name, SystemClock())
        schema = DynamoSchema(self._client, name)
        return (
            Step(f"table {name}", lambda: finds(check_table, self._client, name), self._make),
            Step(
                f"ban log of table {name}",
                lambda: finds(log.top),
                lambda: log.begin(secrets.token_hex(4)),
            ),
            Step(
                f"format of table {name}",
                lambda: _is_marked(schema),
                lambda: schema.mark(schema.known.written),
            ),
        )

    def _make(self) -> None:
        _make_table(self._client, self._name, self._wish)
        self._made_now = True

    def _was_there(self) -> bool:
        return not self._made_now and finds(check_table, self._client, self._name)

    def _can_be_restored(self) -> bool:
        doing = f"table {self._name}"
        try:
            with aws_errors(doing):
                answer = self._client.describe_continuous_backups(TableName=self._name)
        except Missing:  # a dry run: the table itself would be made
            return False
        found = part_of(answer, "ContinuousBackupsDescription", doing, dict)
        recovery = found.get("PointInTimeRecoveryDescription", {})
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")

    def _let_be_restored(self) -> None:
        def switch_on() -> None:
            with aws_errors(f"switching on point-in-time recovery of table {self._name}"):
                self._client.update_continuous_backups(
                    TableName=self._name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
                )

        # Of a table that was made just now, DynamoDB may say that its backups are not available yet.
        self._patience.until_shown(f"point-in-time recovery of table {self._name}", switch_on)


def _recovery_is_off(table: str) -> str:
    command = f"aws dynamodb update-continuous-backups --table-name {table}"
    specification = "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    return f"it is off, and a table that is there is left as it is; to switch it on: {command} {specification}"


def differences(client: DynamoDBClient, table: str, wish: Protections) -> str:
    """Say how a table differs from one that would be made now, and how to change it; empty if it does not."""
    with aws_errors(f"table {table}"):
        answer = client.describe_table(TableName=table)
    found = part_of(answer, "Table", f"table {table}", dict)
    differs, change = [], []
    protected = found.get("DeletionProtectionEnabled", False)
    if protected != wish.deletion_protection:
        differs.append(f"its deletion protection is {'on' if protected else 'off'}")
        change.append(f"--{'no-' if protected else ''}deletion-protection-enabled")
    warm: Any = found.get("WarmThroughput", {})
    with odd_answers(f"table {table}"):
        low = {name: number for name, number in wish.warm_throughput.items() if warm.get(name, 0) < number}
    if low:
        differs.append("it is warm for " + " and ".join(f"{warm.get(name, 0)} {name}" for name in low))
        change.append("--warm-throughput " + ",".join(f"{name}={number}" for name, number in low.items()))
    if not differs:
        return ""
    command = f"aws dynamodb update-table --table-name {table} {' '.join(change)}"
    return f"{', and '.join(differs)}; a table that is there is left as it is; to change it: {command}"


def _is_marked(schema: DynamoSchema) -> bool:
    try:
        return schema.read() is not None
    except Missing:  # a dry run: the table itself would be made
        return False


def _make_table(client: DynamoDBClient, table: str, wish: Protections = PLAIN) -> None:
    warm: Any = {"WarmThroughput": wish.warm_throughput} if wish.warm_throughput else {}
    keys: Any = needs.table_keys()
    with aws_errors(f"making table {table}"):
        client.create_table(
            TableName=table,
            DeletionProtectionEnabled=wish.deletion_protection,
            **warm,
            **keys,
        )
        client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def _has_ttl(client: DynamoDBClient, table: str) -> bool:
    doing = f"table {table}"
    try:
        with aws_errors(doing):
            answer = client.describe_time_to_live(TableName=table)
    except Missing:  # a dry run: the table itself would be made
        return False
    found = part_of(answer, "TimeToLiveDescription", doing, dict)
    return found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")


def _set_ttl(client: DynamoDBClient, table: str) -> None:
    wanted: Any = needs.time_to_live()
    with aws_errors(f"setting the time to live of table {table}"):
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)
