"""The counter of the ban log: which log it is, and the numbers that it gives away."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from f2b_worker.adapters.answers import aws_errors, error_code, odd_answers, part_of
from f2b_worker.adapters.dynamodb.items import as_count, number
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.errors import Missing, Rejected

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item

COUNTER = {"pk": {"S": "log"}, "sk": {"S": "seq"}}
READING = "reading the ban log"
WRITING = "writing the ban log"

_BEGIN_ANEW = (
    "SET before_n = if_not_exists(n, :none), before_epoch = if_not_exists(epoch, :none), n = :zero, epoch = :epoch"
)


@dataclass(frozen=True, slots=True)
class Top:
    """What the counter says: the greatest number that was given away, and in which log."""

    epoch: str
    number: int


class EpochChanged(Exception):
    """The log was begun anew.

    Attributes:
        epoch: Of the new one.
    """

    def __init__(self, epoch: str) -> None:
        super().__init__(epoch)
        self.epoch = epoch


class BanLogCounter:
    """The counter in one table.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        is_strong: Whether it is read strongly, which costs twice as much.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, is_strong: bool = True) -> None:
        self._client = client
        self._table = table
        self.is_strong = is_strong

    def begin_anew(self, epoch: str) -> Top | None:
        """Let a new log take the place of the one that is there, whatever its counter holds.

        From then on the one before gives no number away. It is safe to call again after an error.

        Returns:
            Where the one before ended; None if its counter did not tell.

        Raises:
            EpochChanged: If somebody else began another one just now.
        """
        there = self._counter(strongly=True)
        if there.get("epoch") != {"S": epoch}:
            there = self._replace_counter(epoch, there.get("epoch"))
        with suppress(*MISSHAPEN):
            return Top(str(there["before_epoch"]["S"]), as_count(there["before_n"]))
        return None

    def _replace_counter(self, epoch: str, before: Any) -> Item:
        values: dict[str, Any] = {":epoch": {"S": epoch}, ":none": {"NULL": True}, ":zero": number(0)}
        with aws_errors(WRITING):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=COUNTER,
                    UpdateExpression=_BEGIN_ANEW,
                    ConditionExpression="epoch = :before" if before else "attribute_not_exists(epoch)",
                    ExpressionAttributeValues=values | ({":before": before} if before else {}),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                there: Any = error.response.get("Item", {})
                if there.get("epoch") != {"S": epoch}:
                    raise EpochChanged(str(there.get("epoch"))) from error
                return dict(there)
        return dict(answer.get("Attributes", {}))

    def top(self, *, strongly: bool = False) -> Top:
        """Read the counter, *strongly* even if that is not how it is read otherwise.

        Raises:
            Missing: If it is not there.
            Rejected: If it cannot be read.
        """
        return self._as_top(self._counter(strongly=strongly or self.is_strong))

    def _counter(self, *, strongly: bool) -> Item:
        with aws_errors(READING):
            answer = self._client.get_item(TableName=self._table, Key=COUNTER, ConsistentRead=strongly)
        return part_of({"Item": {}, **answer}, "Item", READING, dict)  # type: ignore[no-any-return]

    def _as_top(self, item: Item) -> Top:
        if not item:
            raise Missing(
                f"table {self._table}: the counter of the ban log (pk=log sk=seq) is not there; make it with"
                " f2b provision, or if the table has bans, with f2b repair"
            )
        try:
            return Top(str(item["epoch"]["S"]), as_count(item["n"]))
        except MISSHAPEN as error:
            raise self._broken_counter() from error

    def _broken_counter(self) -> Rejected:
        return Rejected(
            f"table {self._table}: the counter of the ban log (pk=log sk=seq) cannot be read; run f2b"
            " repair, which begins the log anew"
        )

    def reserve(self, epoch: str) -> int:
        """Take the next number.

        A lost answer costs a number, which the scribe voids.

        Raises:
            EpochChanged: If the log of this epoch takes no more.
            Rejected: If the counter cannot be read.
        """
        with aws_errors("taking a number of the ban log"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=COUNTER,
                    UpdateExpression="ADD n :one",
                    ConditionExpression="epoch = :epoch",
                    ExpressionAttributeValues={":one": number(1), ":epoch": {"S": epoch}},
                    ReturnValues="UPDATED_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                there: Any = error.response.get("Item", {})
                raise EpochChanged(self._as_top(there).epoch) from error
            except ClientError as error:
                # Nobody else's number: not what is written is wrong, but what is there.
                if error_code(error) == "ValidationException":
                    raise self._broken_counter() from error
                raise
        with odd_answers(WRITING):
            return int(answer["Attributes"]["n"]["N"])
