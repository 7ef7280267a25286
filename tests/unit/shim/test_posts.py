"""POSTs with long or packed bodies: what each costs the others, on a loop whose time is virtual."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.shim import posts
from f2b_worker.shim.encodings import unpack
from tests.unit.shim.scene import IP, Shim, refusals
from tests.unit.shim.virtual_loop import now_s, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.http.replies import Reply

BODY_BYTES = 16 * 1024 * 1024
PLACES = 4
"""So many bodies of that length may be unpacked at once."""

ONE = json.dumps({"ip": IP}).encode()
EPSILON_S = 1e-6


async def post(shim: Shim, make: Callable[[], bytes], *, packed: bool = True) -> Reply:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": make(), "more_body": False}

    headers = [(b"content-encoding", b"gzip")] if packed else []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/infractions",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.9", 1),
    }
    answer = await shim.app.answer(scope, receive)
    assert answer is not None
    return answer


def test_a_packed_body_waits_for_nobodys_send() -> None:
    shim = Shim(body_bytes=BODY_BYTES)
    sends: list[float] = []

    async def store(infractions: Any) -> None:
        sends.append(now_s())
        await asyncio.sleep(1.7)

    shim.outbox.store = store  # type: ignore[method-assign]

    async def main() -> list[Reply]:
        return await asyncio.gather(*(post(shim, lambda: gzip.compress(ONE)) for _ in range(10 * PLACES)))

    assert {each.status for each in run(main())} == {200}
    assert sends == [0] * (10 * PLACES)


def test_a_packed_body_that_finds_no_place_to_be_unpacked_is_told_so_within_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shim = Shim(body_bytes=BODY_BYTES)
    before = refusals("overloaded")

    async def slowly(*given: Any) -> bytes:
        await asyncio.sleep(10)
        return await unpack(*given)

    monkeypatch.setattr(posts, "unpack", slowly)

    async def main() -> None:
        unpacked = [asyncio.create_task(post(shim, lambda: gzip.compress(ONE))) for _ in range(PLACES)]
        await asyncio.sleep(0)
        late = await post(shim, lambda: gzip.compress(ONE))
        assert now_s() <= 1 + EPSILON_S
        assert late.status == 503
        assert (b"retry-after", b"1") in late.start["headers"]
        assert json.loads(late.body["body"])["stored"] == 0
        assert {each.status for each in await asyncio.gather(*unpacked)} == {200}
        assert (await post(shim, lambda: gzip.compress(ONE))).status == 200, "a place was lost"

    run(main())
    assert refusals("overloaded") == before + 1
    assert len(shim.outbox.stored) == PLACES + 1


@pytest.mark.parametrize("packed", [True, False])
def test_a_body_is_in_memory_no_more_while_what_it_reported_is_stored(packed: bool) -> None:
    shim = Shim(body_bytes=BODY_BYTES)
    used: list[int] = []

    async def store(infractions: Any) -> None:
        used.append(tracemalloc.get_traced_memory()[0])

    shim.outbox.store = store  # type: ignore[method-assign]
    sent = gzip.compress(b" " * (BODY_BYTES - 100) + ONE) if packed else b""

    tracemalloc.start()
    try:
        made = post(shim, lambda: sent or b" " * (BODY_BYTES - 100) + ONE, packed=packed)
        assert asyncio.run(made).status == 200
    finally:
        tracemalloc.stop()
    assert used[0] < BODY_BYTES / 4
