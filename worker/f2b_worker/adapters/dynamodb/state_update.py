"""The one UpdateItem that changes what stands of an offender's ban, whoever changes it: a judge or a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.dynamodb.items import hits_value, number, state_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.verdicts import Offender, OffenderId


def state_update(  # noqa: PLR0913
    table: str,
    who: OffenderId,
    seen: Offender,
    after: Offender,
    *,
    sets: Mapping[str, Item],
    forgets_evidence: bool = False,
) -> Item:
    """Store what is remembered after a change, on the condition that nobody changed the ban since it was seen.

    Args:
        table: The ledger's table.
        who: Whose state.
        seen: What was remembered.
        after: What is remembered then; its revision is stored, and hits that it no longer has are deleted.
        sets: Further attributes, as DynamoDB has them.
        forgets_evidence: Whether the evidence of the ban before goes.
    """
    written = {"rev": number(after.revision), **sets}
    values: Item = {f":{name}": value for name, value in written.items()} | {":one": number(1)}
    update = "SET " + ", ".join(f"#{name} = :{name}" for name in written)
    if forgets_evidence:
        update += " REMOVE evidence"
    update += " ADD v :one"
    spent = seen.hits - after.hits
    if spent:
        values[":spent"] = hits_value(spent)
        update += " DELETE hits :spent"
    if seen.revision:
        values[":seen"] = number(seen.revision)
    return {
        "TableName": table,
        "Key": state_key(who),
        "UpdateExpression": update,
        "ConditionExpression": "rev = :seen" if seen.revision else "attribute_not_exists(rev)",
        "ExpressionAttributeNames": {f"#{name}": name for name in written},
        "ExpressionAttributeValues": values,
    }
