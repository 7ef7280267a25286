"""What the body of a POST may be wrapped in, and what is written a little differently."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from f2b_worker.shim.app import make_app
from f2b_worker.testing import FakeClock, MemoryOutbox
from f2b_worker.wire import read_body
from tests.envelopes import NO_INFRACTIONS, in_base64, in_eventbridge, in_sns

NOW_MS = FakeClock().now_ms()
IP = "203.0.113.7"


class Shim:
    """An application over an outbox in memory, and POSTs to it."""

    def __init__(self) -> None:
        self.outbox = MemoryOutbox()

    def post(self, content: object, path: str = "/infractions", **more: Any) -> httpx.Response:
        body = content if isinstance(content, (str, bytes)) else json.dumps(content)

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(make_app(self.outbox, FakeClock()))  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://shim") as http:
                return await http.post(path, content=body, **more)

        return asyncio.run(once())


@pytest.fixture
def shim() -> Shim:
    return Shim()


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("f2b_shim_refused_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json"])
def test_a_bom_before_a_body_or_a_line_is_no_part_of_it(shim: Shim, kind: str) -> None:
    lines = f'\ufeff{{"ip": "{IP}"}}\n\ufeff{{"ip": "{IP}"}}\n'
    assert shim.post(lines, headers={"Content-Type": kind}).json() == {"stored": 2}
    assert shim.post(f'\ufeff[{{"ip": "{IP}"}}]').json() == {"stored": 1}


def test_a_time_in_milliseconds_is_told_as_that_and_a_numeric_id_is_its_text(shim: Shim) -> None:
    answer = shim.post([{"ip": IP, "at": NOW_MS}, {"ip": IP, "id": 66}]).json()
    assert answer["results"][0]["detail"].endswith("it is in milliseconds: divide it by 1,000")
    assert [one.id for one in shim.outbox.stored] == ["66"]


def test_a_body_in_utf_16_is_told_as_that(shim: Shim) -> None:
    (told,) = shim.post(f'{{"ip": "{IP}"}}'.encode("utf-16")).json()["results"]
    assert (told["reason"], told["detail"]) == ("not_json", "not JSON: it is UTF-16: send UTF-8")


@pytest.mark.parametrize("wrap", [in_sns, in_eventbridge, in_base64], ids=lambda wrap: wrap.__name__)
def test_what_is_in_an_envelope_is_stored_as_the_worker_would_read_it(shim: Shim, wrap: Any) -> None:
    ids = [{"ip": IP, "at": 5, "id": "a"}, {"ip": "2001:db8::1", "at": 6.25, "id": "b"}]
    for form in (ids[0], ids):
        shim.outbox.stored.clear()
        body = wrap(form)
        body = body if isinstance(body, str) else json.dumps(body)
        count = len(form) if isinstance(form, list) else 1
        assert shim.post(body).json() == {"stored": count}
        assert shim.outbox.stored == read_body(body, message_id="m", sent_at_ms=NOW_MS).infractions


def test_the_jail_in_the_query_is_for_what_is_in_an_envelope_too(shim: Shim) -> None:
    for body in (in_sns({"ip": IP}, Timestamp=None), [in_sns({"ip": IP}, Timestamp=None)]):
        shim.outbox.stored.clear()
        assert shim.post(body, "/infractions?jail=login").json() == {"stored": 1}
        assert [one.jail for one in shim.outbox.stored] == ["login"]


@pytest.mark.parametrize("name", NO_INFRACTIONS)
def test_a_message_of_another_service_is_told_as_such(shim: Shim, name: str) -> None:
    data, told = NO_INFRACTIONS[name]
    before = refusals("envelope")
    (result,) = shim.post(data).json()["results"]
    assert (result["status"], result["reason"]) == (400, "envelope")
    assert told in result["detail"]
    assert refusals("envelope") == before + 1
