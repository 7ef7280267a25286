"""What senders write a little differently, and what it is read as or named as."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal
from f2b_worker.domain.judge.sorting import Sorter
from f2b_worker.wire import UnreadableError, parse_body, parse_json, read_body
from f2b_worker.wire.forms import Simple

IP = "203.0.113.7"
SENT_MS = 1_795_369_500_000
MS, US, NS = SENT_MS, SENT_MS * 1000, SENT_MS * 1_000_000


def one(item: dict[str, Any]) -> Infraction:
    (infraction,) = read_body(json.dumps(item), message_id="m", sent_at_ms=SENT_MS).infractions
    return infraction


def refused(item: dict[str, Any]) -> Refusal:
    (refusal,) = read_body(json.dumps(item), message_id="m", sent_at_ms=SENT_MS).refused
    return refusal


@pytest.mark.parametrize("before", ["\ufeff", " \n\ufeff", "\ufeff \r\n"])
@pytest.mark.parametrize(
    "body",
    [
        f'{{"ip": "{IP}"}}',
        f'[{{"ip": "{IP}"}}]',
        f'{{"v": 1, "id": "p", "t0_ms": 1, "dt_ms": [0], "ip": ["{IP}"]}}',
    ],
)
def test_a_bom_before_a_body_of_any_form_is_no_part_of_it(before: str, body: str) -> None:
    plain = read_body(body, message_id="m", sent_at_ms=SENT_MS)
    assert read_body(before + body, message_id="m", sent_at_ms=SENT_MS) == plain
    assert parse_json((before + body).encode()) == json.loads(body)


def test_a_bom_that_stands_alone_or_inside_is_no_json() -> None:
    for body in ("\ufeff", '{"ip": \ufeff"203.0.113.7"}', "\ufeff\ufeffnull"):
        with pytest.raises(UnreadableError) as unreadable:
            read_body(body, message_id="m", sent_at_ms=SENT_MS)
        assert unreadable.value.reason is Reason.NOT_JSON


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_body_in_utf_16_is_named_as_that(encoding: str) -> None:
    with pytest.raises(ValueError, match="UTF-16: send UTF-8"):
        parse_json("\ufeff{}".encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("body", [{"ip": IP}, [{"ip": IP}]])
def test_utf_16_is_named_with_and_without_a_bom_in_base64_too(encoding: str, body: object) -> None:
    written = json.dumps(body).encode(encoding)
    with pytest.raises(ValueError, match="it is UTF-16: send UTF-8"):
        parse_body(written)
    for text in (base64.b64encode(written), base64.b64encode(written).decode()):
        with pytest.raises(ValueError, match="it is base64 of UTF-16: encode UTF-8"):
            parse_body(text)


@pytest.mark.parametrize(
    ("t0_ms", "told"),
    [
        (MS / 1000, "; it is in seconds: multiply it by 1,000, and leave out what is behind the point then"),
        (float(MS), "; leave out what is behind the point"),
        (NS, "; it is in nanoseconds: divide it by 1,000,000"),
        (-(2**60), ""),
        ("1", ""),
    ],
)
def test_the_start_of_a_pack_in_another_unit_is_named_with_its_remedy(t0_ms: object, told: str) -> None:
    pack = {"v": 1, "id": "p", "t0_ms": t0_ms, "dt_ms": [0], "ip": [IP]}
    with pytest.raises(UnreadableError) as unreadable:
        read_body(json.dumps(pack), message_id="m", sent_at_ms=SENT_MS)
    assert re.fullmatch(rf"t0_ms: [^;]*{re.escape(told)}", str(unreadable.value))


@pytest.mark.parametrize("t0_ms", [MS // 1000, US])
def test_whole_numbers_of_another_unit_in_a_pack_are_named_for_each_infraction(t0_ms: int) -> None:
    pack = {"v": 1, "id": "p", "t0_ms": t0_ms, "dt_ms": [0], "ip": [IP]}
    found = read_body(json.dumps(pack), message_id="m", sent_at_ms=SENT_MS)
    (refusal,) = Sorter(Policy(), 3_600_000).sort_out(found.infractions, now_ms=SENT_MS).refused
    assert "seconds where milliseconds belong?" in refusal.detail


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (66, "66"),
        (-1, "-1"),
        (0, "0"),
        (66.0, "66"),
        (66.5, "66.5"),
        (2**63, str(2**63)),
        (10**15 + 1, "1000000000000001"),
    ],
)
def test_a_numeric_id_is_its_text(number: float, text: str) -> None:
    assert one({"ip": IP, "id": number}) == one({"ip": IP, "id": text})


def test_an_id_that_is_no_name_is_refused_and_named() -> None:
    assert refused({"ip": IP, "id": []}).detail == "id: [] is neither 1-64 characters nor a number"
    (refusal,) = read_body(f'[{{"ip": "{IP}", "id": 1e999}}]', message_id="m", sent_at_ms=SENT_MS).refused
    assert refusal.reason is Reason.BAD_SHAPE


@pytest.mark.parametrize("name", ["id", "at"])
def test_every_number_that_the_schema_allows_is_taken(name: str) -> None:
    forms = Simple.model_json_schema()["properties"][name]["anyOf"]
    (number,) = [each for each in forms if each["type"] == "number"]
    least = number["minimum"] if "minimum" in number else number["exclusiveMinimum"] + 1
    most = number["maximum"] if "maximum" in number else number["exclusiveMaximum"] - 1
    for bound in (least, most):
        assert one({"ip": IP, name: bound})
    for beyond in (least - 1, most + 1):
        assert refused({"ip": IP, name: beyond}).detail.startswith(f"{name}: {beyond}"[:30])


@pytest.mark.parametrize(
    ("at", "told"),
    [
        *((at, "; it is in milliseconds: divide it by 1,000") for at in (MS, MS + 0.5, 253_402_300_800)),
        *((at, "; it is in microseconds: divide it by 1,000,000") for at in (US, US + 0.5)),
        *((at, "; it is in nanoseconds: divide it by 1,000,000,000") for at in (NS, float(NS))),
    ],
)
def test_a_time_in_a_smaller_unit_is_named_as_that_with_its_remedy_in_quotes_too(at: float, told: str) -> None:
    refusal = refused({"ip": IP, "at": at})
    assert refusal.reason is Reason.BAD_TIME
    assert refusal.detail.endswith(f" is no time in epoch seconds{told}")
    quoted = refused({"ip": IP, "at": f"{at:f}"})
    assert quoted.detail.endswith(f"; it is a number in quotes: leave the quotes out{told}")


@pytest.mark.parametrize("at", ["1795369500", "1795369500.25", "17121231030", "1712010112030"])
def test_a_number_in_quotes_is_named_as_that(at: str) -> None:
    assert "; it is a number in quotes: leave the quotes out" in refused({"ip": IP, "at": at}).detail


def test_the_last_second_before_the_year_10000_is_a_time_in_seconds() -> None:
    assert one({"ip": IP, "at": 253_402_300_799}).at_ms == 253_402_300_799_000
    assert one({"ip": IP, "at": "9999-12-31T23:59:59Z"}).at_ms == 253_402_300_799_000
