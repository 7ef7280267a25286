"""Whatever body is sent: what is answered adds up, is small, and is what a reading of the whole in one go says."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import patch

import httpx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from f2b_worker.shim.app import make_app
from f2b_worker.shim.limits import Limits
from f2b_worker.testing import FakeClock, MemoryOutbox

PROFILE = settings(deadline=None, derandomize=True, database=None, max_examples=300)
ANSWER_BYTES_MAX = 64 * 1024
WAITING_MAX = 20

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("203.0.113.7"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("ip"), inner, max_size=3)
    ),
    max_leaves=8,
)
ITEMS = JSON | st.just({"ip": "203.0.113.7"}) | st.just({"ip": "203.0.113.7", "id": "a"})
LISTS = st.lists(ITEMS, max_size=40)
BROKEN = st.text('[]{}",:\\ \n\rx1', max_size=30) | st.sampled_from(
    ['{"ip":"203.0.113.7"}', "NaN", '"', "\ufeff", "\0"]
)


def told_of(body: bytes, kind: str, short_bytes: int = 16_384) -> tuple[int, dict[str, Any], int]:
    """Post a body; answer the status, what was told, and how many were stored."""
    outbox = MemoryOutbox()

    async def once() -> httpx.Response:
        app: Any = make_app(outbox, FakeClock(), Limits(waiting_max=WAITING_MAX))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shim") as http:
            return await http.post("/infractions", content=body, headers={"Content-Type": kind})

    with patch("f2b_worker.shim.bodies.SHORT_BYTES", short_bytes):
        answer = asyncio.run(once())
    assert len(answer.content) < ANSWER_BYTES_MAX
    return answer.status_code, answer.json(), len(outbox.stored)


def adds_up(told: dict[str, Any], stored: int) -> int:
    """Check an answer for itself; tell how many items it speaks of."""
    refused = sum(told.get("refused", {}).values())
    assert told["stored"] == stored
    assert len(told.get("results", [])) == min(100, refused)
    may_come_again = told.get("refused", {}).get("overloaded", 0)
    assert ("again" in told) == (may_come_again > 0)
    return int(stored + refused)


@given(st.binary(max_size=200) | st.lists(BROKEN, max_size=12).map(lambda parts: "".join(parts).encode()),
       st.sampled_from(["application/json", "application/x-ndjson"]))  # fmt: skip
@example(b"[" * 1_000, "application/json")
@example(b'{"ip":"x"}\n' * 5_000, "application/x-ndjson")
@example(b"[" + b"1," * 5_000 + b"1]", "application/json")
@PROFILE
def test_any_body_is_answered_in_a_few_words_that_add_up(body: bytes, kind: str) -> None:
    for short_bytes in (0, 16_384):
        status, told, stored = told_of(body, kind, short_bytes)
        number = adds_up(told, stored)
        assert (status == 200) == (0 < stored == number)


@given(LISTS, st.booleans())
@PROFILE
def test_a_long_list_is_read_as_a_short_one(items: list[Any], ascii_only: bool) -> None:
    body = json.dumps(items, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    short, long = told_of(body, "application/json"), told_of(body, "application/json", 0)
    assert long == short
    assert adds_up(long[1], long[2]) == len(items)


@given(LISTS)
@PROFILE
def test_each_line_is_an_item(items: list[Any]) -> None:
    body = "\n".join(map(json.dumps, items)).encode()
    _, told, stored = told_of(body, "application/x-ndjson")
    assert adds_up(told, stored) == len(items)
