"""The canned DynamoDB scans as AWS does: pages, segments, filters that save nothing, and the bill."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.canned import scan
from benchmarks.canned.dynamodb import CannedDynamoDB
from benchmarks.canned.tally import CannedError, Tally
from localstack.table_limits import Limits, Rates


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def dynamodb(tally: Tally) -> CannedDynamoDB:
    made = CannedDynamoDB(tally, ["f2b"])
    for place in range(40):
        item = {"pk": {"S": f"ip#{place % 20}"}, "sk": {"S": f"s#{place}"}, "n": {"N": str(place)}}
        made.operations["PutItem"]({"TableName": "f2b", "Item": item})
    return made


def pages(dynamodb: CannedDynamoDB, **request: Any) -> list[dict[str, Any]]:
    """Read on to the end."""
    found = [dynamodb.operations["Scan"]({"TableName": "f2b", **request})]
    while last := found[-1].get("LastEvaluatedKey"):
        found.append(dynamodb.operations["Scan"]({"TableName": "f2b", **request, "ExclusiveStartKey": last}))
    return found


def keys(found: list[dict[str, Any]]) -> list[str]:
    return sorted(item["sk"]["S"] for page in found for item in page["Items"])


ALL = sorted(f"s#{place}" for place in range(40))


def test_pages_and_segments_together_have_each_item_once(
    dynamodb: CannedDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "PAGE_BYTES", 60)
    found = [page for segment in range(3) for page in pages(dynamodb, Segment=segment, TotalSegments=3)]

    assert keys(found) == ALL
    assert len(found) > 10


def test_a_limit_ends_a_page(dynamodb: CannedDynamoDB) -> None:
    found = pages(dynamodb, Limit=7)

    assert keys(found) == ALL
    assert [page["ScannedCount"] for page in found] == [7, 7, 7, 7, 7, 5]


def test_a_filter_and_a_projection_leave_out_what_was_read_and_is_billed(
    dynamodb: CannedDynamoDB, tally: Tally
) -> None:
    before = tally.read_units
    (page,) = pages(
        dynamodb,
        ConsistentRead=True,
        FilterExpression="begins_with(sk, :s) AND n < :ten",
        ProjectionExpression="sk, #n",
        ExpressionAttributeNames={"#n": "n"},
        ExpressionAttributeValues={":s": {"S": "s#"}, ":ten": {"N": "10"}},
    )

    assert (page["Count"], page["ScannedCount"]) == (10, 40)
    assert all(set(item) == {"sk", "n"} for item in page["Items"])
    assert tally.read_units - before == 1


def test_a_key_that_has_nothing_left_in_its_second_throttles_the_page(dynamodb: CannedDynamoDB) -> None:
    dynamodb.limits = Limits(Rates(key_reads=0.01), clock=lambda: 0.0)
    pages(dynamodb)

    with pytest.raises(CannedError, match="Throughput exceeds"):
        pages(dynamodb)
