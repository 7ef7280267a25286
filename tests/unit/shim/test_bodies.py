"""Whatever body comes: a small answer, bounded memory, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.errors import Unavailable
from f2b_worker.http.turns import SLICE_S, Turns
from f2b_worker.shim.bodies import SHORT_BYTES
from f2b_worker.shim.cutting import TEXT_BYTES_MAX, lines
from f2b_worker.shim.items import TOLD_MAX, Items
from f2b_worker.testing import FakeClock
from tests.unit.shim.scene import IP, Shim, refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from f2b_worker.domain.judge.infractions import Infraction, Refusal

NDJSON = {"Content-Type": "application/x-ndjson"}
ANSWER_BYTES_MAX = 64 * 1024
GOOD = json.dumps({"ip": IP}).encode()


class Ticking(FakeClock):
    """A clock that moves by a quarter of a slice each time somebody looks at it."""

    def monotonic_s(self) -> float:
        self.advance(SLICE_S / 4)
        return super().monotonic_s()


class TestAnswers:
    def test_the_first_hundred_refusals_are_told_and_the_rest_counted_by_reason(self) -> None:
        shim = Shim()
        before = refusals("not_json"), refusals("bad_address")
        answer = shim.post(b"x\n" * 3_000 + b'{"ip":"y"}\n' * 2_000 + GOOD, headers=NDJSON)
        told = answer.json()
        assert (answer.status_code, told["stored"]) == (207, 1)
        assert told["refused"] == {"not_json": 3_000, "bad_address": 2_000}
        assert [each["index"] for each in told["results"]] == list(range(TOLD_MAX))
        assert "again" not in told
        assert len(answer.content) < ANSWER_BYTES_MAX
        assert (refusals("not_json"), refusals("bad_address")) == (before[0] + 3_000, before[1] + 2_000)

    def test_no_text_that_came_makes_a_long_answer(self) -> None:
        shim = Shim(body_bytes=4 * TEXT_BYTES_MAX)
        each = json.dumps({"ip": "\U0001f600" * 100, "jail": "\U0001f600" * 100})
        answer = shim.post("\n".join([each, each.replace("ip", "\U0001f600")] * 200), headers=NDJSON)
        assert sum(answer.json()["refused"].values()) == 400
        assert len(answer.content) < ANSWER_BYTES_MAX

    def test_where_nothing_could_be_stored_it_says_so_once_and_where_to_begin_again(self) -> None:
        shim = Shim()
        shim.outbox.failure = Unavailable("no answer")
        answer = shim.post(b"x\n" + (GOOD + b"\n") * 5_000 + b"x\n", headers=NDJSON)
        told = answer.json()
        assert (answer.status_code, told["stored"]) == (503, 0)
        assert told["refused"] == {"not_json": 2, "queue": 5_000}
        assert told["again"] == [{"first": 1, "last": 5_000, "with_id": False}]
        assert len(told["results"]) == TOLD_MAX

    def test_what_has_an_id_is_told_apart_from_what_has_none(self) -> None:
        shim = Shim()
        store = shim.outbox.store

        async def named_ones_fail(infractions: Any) -> None:
            if infractions[0].id:
                raise Unavailable("no answer")
            await store(infractions)

        shim.outbox.store = named_ones_fail  # type: ignore[method-assign]
        told = shim.post([{"ip": IP}, {"ip": IP, "id": "a"}, {"ip": IP}, {"ip": IP, "id": "b"}]).json()
        assert told["stored"] == 2
        assert told["again"] == [{"first": 1, "last": 3, "with_id": True}]

    @pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf\n"])
    def test_a_body_with_nothing_in_it_is_told_as_that(self, body: bytes) -> None:
        (told,) = Shim().post(body).json()["results"]
        assert (told["reason"], told["detail"]) == ("not_json", "not JSON: nothing came")


class TestPlaces:
    def test_one_body_takes_the_places_that_are_there_and_says_where_the_rest_begins(self) -> None:
        shim = Shim(waiting_max=20)
        before = refusals("overloaded")
        answer = shim.post([*({"ip": IP} for _ in range(25)), {}, {"ip": IP, "id": "a"}])
        told = answer.json()
        assert (answer.status_code, told["stored"], len(shim.outbox.stored)) == (207, 18, 18)
        assert told["refused"] == {"overloaded": 8, "no_ip": 1}
        assert told["again"] == [
            {"first": 18, "last": 24, "with_id": False},
            {"first": 26, "last": 26, "with_id": True},
        ]
        assert refusals("overloaded") == before + 8

    def test_a_body_leaves_places_for_those_that_come_alone_and_gives_its_own_back(self) -> None:
        shim = Shim(waiting_max=10)

        async def ask(http: Any) -> Any:
            shim.outbox.open.clear()
            long = asyncio.create_task(http.post("/infractions", content=json.dumps([{"ip": IP}] * 50)))
            for _ in range(50):
                await asyncio.sleep(0)
            alone = asyncio.create_task(http.get(f"/infraction/{IP}"))
            for _ in range(20):
                await asyncio.sleep(0)
            shim.outbox.open.set()
            assert (await alone).status_code == 200
            assert (await long).json()["stored"] == 9
            return await http.post("/infractions", content=json.dumps([{"ip": IP}] * 9))

        assert shim.run(ask).json() == {"stored": 9}


class TestForms:
    @pytest.mark.parametrize("longer", [0, SHORT_BYTES])
    @pytest.mark.parametrize(
        "broken",
        [
            "[%s",
            "[%s,]",
            "[%s}",
            "[%s] x",
            "[%s %s]",
            "[%s,x]",
            "[%s,[}]",
            "[,%s]",
            '[%s,"]',
            "[%s,[[]]",
            "[%s:1]",
        ],
    )
    def test_a_list_that_is_broken_anywhere_counts_for_nothing(self, broken: str, longer: int) -> None:
        shim = Shim()
        item = json.dumps({"ip": IP, "note": " " * longer})
        answer = shim.post(broken.replace("%s", item))
        (told,) = answer.json()["results"]
        assert (answer.status_code, told["reason"], told["index"]) == (400, "not_json", 0)
        assert answer.json()["refused"] == {"not_json": 1}
        assert shim.outbox.stored == []

    def test_the_cells_of_a_long_list_may_be_written_wrong_as_those_of_a_short_one(self) -> None:
        shim = Shim()
        item = b'{"ip":"203.0.113.7","note":"a\\x[{,\\ud800\x01","x":[[{"y":"]"}],[]]}'
        number = SHORT_BYTES // len(item) + 2
        assert shim.post(b" [ " + b" ,\n ".join([item] * number) + b" ]\n").json() == {"stored": number}
        assert {one.note for one in shim.outbox.stored} == {"a\\x[{,\ufffd\x01"}

    def test_one_infraction_is_no_longer_than_it_may_be_and_costs_its_neighbours_nothing(self) -> None:
        shim = Shim(body_bytes=4 * TEXT_BYTES_MAX)
        note = "x" * (TEXT_BYTES_MAX - 100)
        fits, long = ({"ip": IP, "note": note + "x" * more} for more in (0, 100))
        told = shim.post("\n".join(map(json.dumps, (fits, long, fits))), headers=NDJSON).json()
        assert (told["stored"], told["refused"]) == (2, {"bad_shape": 1})
        assert "at most" in told["results"][0]["detail"]
        assert shim.post(fits).status_code == 200
        assert shim.post(long).json()["refused"] == {"bad_shape": 1}

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("headers", [NDJSON, {}])
    def test_a_line_may_end_in_any_way_and_begin_with_a_bom(self, end: str, headers: dict[str, str]) -> None:
        shim = Shim()
        body = "".join(f"\ufeff{json.dumps({'ip': IP})}{end}" for _ in range(3))
        assert shim.post(body, headers=headers).json() == {"stored": 3}

    @pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (f'{{"ip": "{IP}"}}\n'.encode("utf-16") * 3, "it is UTF-16: send UTF-8"),
            (f'{{"ip": "{IP}"}}\n'.encode("utf-16-le") * 3, "it is UTF-16: send UTF-8"),
            (b"\x1f\x8b\x08\n\n\n", "it is gzip: send Content-Encoding: gzip with it"),
        ],
    )
    def test_what_is_no_text_is_told_as_that_and_once(self, body: bytes, told: str, kind: str) -> None:
        (result,) = Shim().post(body, headers={"Content-Type": kind}).json()["results"]
        assert result["detail"] == f"not JSON: {told}"

    def test_curls_content_type_is_no_reason_to_read_anything_else_than_json(self) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert Shim().post(GOOD, headers=headers).json() == {"stored": 1}

    @pytest.mark.parametrize("jail", ["jail=logi\u0144", "jail=%C5%84", "x=\u0144&jail=\u0144"])
    def test_a_jail_that_is_no_ascii_is_refused_by_its_own_name(self, jail: str) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": f"/infraction/{IP}", "headers": []}
        asyncio.run(Shim().app(scope | {"query_string": jail.encode()}, None, send))  # type: ignore[arg-type]
        assert sent[0]["status"] == 400
        assert b"\\u0144" in sent[1]["body"]


class TestTurns:
    """What is read between two turns of the others, where a quarter of a slice passes with each item."""

    @staticmethod
    def most_at_once(ask: Callable[[], Awaitable[Any]], count: Callable[[], int]) -> int:
        steps: list[int] = []

        async def main() -> None:
            asking = asyncio.ensure_future(ask())
            before = count()
            while not asking.done():
                await asyncio.sleep(0)
                steps.append(count() - before)
                before = count()
            await asking

        asyncio.run(main())
        return max(steps)

    @pytest.mark.parametrize("requests", [1, 5])
    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"x\n" * 500, "application/x-ndjson"),
            (b"[" + b"{}," * 8_000 + b"{}]", "application/json"),
            (b"[" + b"{}," * 500 + b"{}]", "application/json"),
        ],
    )
    def test_a_slice_after_the_other_of_one_request_after_the_other(
        self, body: bytes, kind: str, requests: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shim = Shim(clock=Ticking())
        read = 0

        def counted(items: Items, item: Infraction | Refusal) -> None:
            nonlocal read
            read += 1
            original(items, item)

        original = Items.take
        monkeypatch.setattr(Items, "take", counted)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            assert message.get("status", 400) == 400

        scope = {"type": "http", "method": "POST", "path": "/infractions", "query_string": b""}
        scope["headers"] = [(b"content-type", kind.encode())]

        async def ask() -> None:
            await asyncio.gather(*(shim.app(dict(scope), receive, send) for _ in range(requests)))

        # The first slices of requests that begin together come together; a slice has four items here.
        assert self.most_at_once(ask, lambda: read) <= 4 * requests + 4
        assert read >= 500 * requests

    def test_those_that_wait_have_their_turns_one_by_one_and_in_their_order(self) -> None:
        turns = Turns()
        order: list[tuple[str, int]] = []

        async def main() -> None:
            turn = 0

            async def work(name: str) -> None:
                for _ in range(3):
                    await turns.next()
                    order.append((name, turn))

            working = [asyncio.create_task(work(name)) for name in "abc"]
            while not all(each.done() for each in working):
                await asyncio.sleep(0)
                turn += 1

        asyncio.run(main())
        assert [name for name, _ in order] == list("abcabcabc")
        assert len({turn for _, turn in order}) == len(order)

    def test_a_request_whose_client_has_gone_is_read_no_further(self) -> None:
        shim = Shim(clock=Ticking())

        class Cycle:
            disconnected = False

            async def receive(self) -> dict[str, Any]:
                self.disconnected = True
                return {"type": "http.request", "body": (GOOD + b"\n") * 1_000, "more_body": False}

        async def send(_: Any) -> None:
            pytest.fail("nobody is there to hear it")

        scope = {"type": "http", "method": "POST", "path": "/infractions", "query_string": b""}
        asyncio.run(shim.app(scope | {"headers": [(b"content-type", b"ndjson")]}, Cycle().receive, send))
        assert shim.outbox.stored == []
        assert shim.post([{"ip": IP}] * 40).json() == {"stored": 40}

    def test_a_page_of_ten_thousand_addresses_is_made_in_slices_and_once_for_all_who_ask(self) -> None:
        shim = Shim(clock=Ticking(), expose_state=True)
        shim.post([{"ip": f"198.18.0.{number}"} for number in range(200)])
        passed: list[int] = []

        async def ask(http: Any) -> Any:
            asking = [asyncio.create_task(http.get("/state/infractions")) for _ in range(3)]
            while not all(each.done() for each in asking):
                await asyncio.sleep(0)
                passed.append(1)
            pages = [(await each).content for each in asking]
            assert len(set(pages)) == 1
            return await asking[0]

        assert shim.run(ask).text.count("198.18.0.") == 200
        assert len(passed) > 50


def test_a_line_of_a_mark_alone_is_no_infraction_and_has_its_turn_as_others_have() -> None:
    mark = b"\xef\xbb\xbf"
    assert list(lines((mark + b"\n") * 3 + b"{}\n" + mark)) == [None, None, None, b"{}", None]
    body = (mark + b"\n") * 3 + b'{"ip": "%s"}' % IP.encode()
    answer = Shim().post(body, headers={"content-type": "application/x-ndjson"})
    assert answer.json() == {"stored": 1}
