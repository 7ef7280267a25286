"""DynamoDB's Scan: segments, filters and projections over a table in memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.canned.expressions import condition_of
from localstack.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.canned.expressions import Item
    from benchmarks.canned.table import Table
    from benchmarks.canned.tables import Answer, Request


class Page(NamedTuple):
    """One answer, and how many bytes of each partition were read for it."""

    answer: Answer
    read_bytes: dict[str, int]


def scan(table: Table, request: Request) -> Page:
    """Read a page; a filter and a projection save nothing but the way."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    holds = condition_of(request["FilterExpression"]) if "FilterExpression" in request else None
    limit = request.get("Limit", float("inf"))
    found: list[Item] = []
    read_bytes: dict[str, int] = {}
    scanned = page_bytes = 0
    last: Item = {}
    answer: Answer = {"Items": found}
    for item, item_bytes in _after_start(table, request):
        if scanned >= limit or (scanned and page_bytes + item_bytes > PAGE_BYTES):
            answer["LastEvaluatedKey"] = last
            break
        scanned += 1
        page_bytes += item_bytes
        pk = item["pk"]["S"]
        read_bytes[pk] = read_bytes.get(pk, 0) + item_bytes
        last = {"pk": item["pk"], "sk": item["sk"]}
        if holds is None or holds(item, names, values):
            found.append(_projected(item, request))
    return Page(answer | {"Count": len(found), "ScannedCount": scanned}, read_bytes)


def _after_start(table: Table, request: Request) -> Iterator[tuple[Item, int]]:
    segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
    start = request.get("ExclusiveStartKey")
    after = (_place(start["pk"]["S"]), start["sk"]["S"]) if start else None
    for pk in sorted(table.partitions, key=_place):
        if zlib.crc32(pk.encode()) % segments != segment:
            continue
        for sk in sorted(table.partitions[pk]):
            if after is None or (_place(pk), sk) > after:
                yield table.partitions[pk][sk]


def _place(pk: str) -> tuple[int, str]:
    """Order partition keys as nobody expects: AWS does it by a hash of its own."""
    return zlib.crc32(pk.encode()), pk


def _projected(item: Item, request: Request) -> Item:
    if "ProjectionExpression" not in request:
        return item
    names = request.get("ExpressionAttributeNames", {})
    wanted = [each.strip() for each in request["ProjectionExpression"].split(",")]
    return {name: item[name] for each in wanted if (name := names.get(each, each)) in item}
