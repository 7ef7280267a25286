"""Infractions that SNS, EventBridge or a program wrapped up are read; what is no infraction is named."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.judge.infractions import Infraction, Reason
from f2b_worker.wire import Body, UnreadableError, read_body, unwrap
from tests.envelopes import (
    EVENTS_ID,
    EVENTS_TIME_MS,
    NO_INFRACTIONS,
    S3_TEST,
    TOPICS_ID,
    TOPICS_TIME_MS,
    in_base64,
    in_eventbridge,
    in_sns,
)

if TYPE_CHECKING:
    from collections.abc import Callable

IP = "203.0.113.7"
SENT_MS = 1_795_369_600_000
PACK = {"v": 1, "id": "k3v9x2mq0a7b", "t0_ms": 1_763_833_500_123, "dt_ms": [0, 12], "ip": [IP], "of": [0, 0]}
FORMS: list[Any] = [
    {"ip": IP, "at": 1_795_369_500, "id": "order-66", "jail": "login", "note": "n", "weight": 3},
    [{"ip": IP, "at": 1_795_369_500, "id": "a"}, {"ip": "2001:db8::7", "at": 1_795_369_501, "id": "b"}],
    PACK,
]


def in_quotes(data: object) -> str:
    return json.dumps(json.dumps(data))


def read(data: object, message_id: str = "m") -> Body:
    body = data if isinstance(data, str) else json.dumps(data)
    return read_body(body, message_id=message_id, sent_at_ms=SENT_MS)


def one(data: object) -> Infraction:
    (infraction,) = read(data).infractions
    return infraction


@pytest.mark.parametrize("form", FORMS, ids=["one", "list", "pack"])
@pytest.mark.parametrize("wrap", [in_sns, in_eventbridge, in_base64, in_quotes])
def test_each_form_is_read_from_each_envelope_as_if_it_had_none(wrap: Any, form: object) -> None:
    assert read(wrap(form)) == read(form)


@pytest.mark.parametrize("form", FORMS, ids=["one", "list", "pack"])
@pytest.mark.parametrize(
    "wraps",
    [
        (in_sns, in_eventbridge),
        (in_eventbridge, in_sns),
        (in_sns, in_base64),
        (in_sns, in_quotes),
        (in_base64, in_sns, in_eventbridge),
        (in_sns, in_sns, in_sns, in_sns, in_sns),
    ],
    ids=lambda wraps: " ".join(wrap.__name__ for wrap in wraps),
)
def test_envelopes_inside_each_other_are_opened(wraps: Any, form: object) -> None:
    wrapped = form
    for wrap in reversed(wraps):
        wrapped = wrap(wrapped)
    assert read(wrapped) == read(form)
    text = wrapped if isinstance(wrapped, str) else json.dumps(wrapped)
    assert read(f"\ufeff{text}") == read(form)


def test_an_infraction_without_a_time_has_that_of_the_innermost_envelope_else_of_the_message() -> None:
    bare = {"ip": IP}
    assert one(bare).at_ms == SENT_MS
    assert one(in_sns(bare)).at_ms == TOPICS_TIME_MS
    assert one(in_eventbridge(bare)).at_ms == EVENTS_TIME_MS
    assert one(in_sns(in_eventbridge(bare))).at_ms == EVENTS_TIME_MS
    assert one(in_sns(in_base64(bare))).at_ms == TOPICS_TIME_MS
    assert one(in_base64(bare)).at_ms == SENT_MS
    assert one(in_sns({"ip": IP, "at": None})).at_ms == TOPICS_TIME_MS
    assert one(in_sns({"ip": IP, "at": 5})).at_ms == 5000


@pytest.mark.parametrize("time", [None, "soon", 5.5e300, [], True, "2026-11-22T17:45:00"])
def test_an_envelopes_time_that_is_none_costs_nothing(time: object) -> None:
    assert one(in_sns({"ip": IP}, Timestamp=time)).at_ms == SENT_MS
    assert one(in_sns(in_eventbridge({"ip": IP}, time=time))).at_ms == TOPICS_TIME_MS


def test_a_notification_that_comes_twice_is_the_same_infraction_and_two_are_two() -> None:
    for wrap, key in ((in_sns, "MessageId"), (in_eventbridge, "id")):
        body = wrap([{"ip": IP}, {"ip": IP}])
        first, again = read(body, "m1").infractions, read(body, "m2").infractions
        assert first == again
        assert len({each.id for each in first}) == 2
        other = read(body | {key: "another"}, "m1").infractions
        assert not {each.id for each in other} & {each.id for each in first}


@pytest.mark.parametrize("given_id", [None, "", 5, [], "x" * 59])
def test_an_envelopes_id_that_is_no_id_is_left_out(given_id: object) -> None:
    assert one(in_sns({"ip": IP}, MessageId=given_id)).id == "m.0"


def test_the_ids_of_envelopes_are_the_ones_that_stand_there() -> None:
    assert unwrap(in_sns({"ip": IP})) == {"ip": IP, "at": TOPICS_TIME_MS / 1000, "id": f"{TOPICS_ID}.0"}
    assert unwrap(in_eventbridge({"ip": IP})) == {"ip": IP, "at": EVENTS_TIME_MS / 1000, "id": f"{EVENTS_ID}.0"}


def test_what_is_wrong_inside_an_envelope_is_set_aside_alone_with_the_envelopes_time() -> None:
    body = read(in_sns([{"ip": IP}, {"ip": IP, "jail": "a b"}, 5]))
    assert [refusal.reason for refusal in body.refused] == [Reason.BAD_JAIL, Reason.BAD_SHAPE]
    assert body.refused[0].item == {"ip": IP, "jail": "a b", "at": TOPICS_TIME_MS / 1000, "id": f"{TOPICS_ID}.1"}
    assert len(body.infractions) == 1


@pytest.mark.parametrize("name", NO_INFRACTIONS)
def test_a_message_of_another_service_is_named_with_its_remedy(name: str) -> None:
    data, told = NO_INFRACTIONS[name]
    with pytest.raises(UnreadableError) as unreadable:
        read(data)
    assert unreadable.value.reason is Reason.ENVELOPE
    assert told in str(unreadable.value)


def test_an_envelope_among_others_is_opened_if_it_holds_one_infraction_and_named_if_not() -> None:
    several = [in_sns([{"ip": IP}]), in_sns(PACK)]
    body = read([in_sns({"ip": IP, "id": "a"}), {"ip": IP, "id": "b"}, *several, S3_TEST])
    assert [(each.id, each.at_ms) for each in body.infractions] == [("a", TOPICS_TIME_MS), ("b", SENT_MS)]
    assert [refusal.reason for refusal in body.refused] == [Reason.ENVELOPE] * 3
    assert "send it as a message of its own" in body.refused[0].detail
    assert "a test message of S3" in body.refused[2].detail


def in_base64_text(data: object) -> str:
    return base64.b64encode(json.dumps(data).encode()).decode()


@pytest.mark.parametrize("write", [json.dumps, in_base64_text])
def test_a_text_of_json_among_others_is_opened_if_it_holds_one_infraction_and_named_if_not(
    write: Callable[[object], str],
) -> None:
    body = read([write({"ip": IP, "id": "a"}), {"ip": IP, "id": "b"}, write([{"ip": IP}]), write({"no": 1})])
    assert [(each.id, each.ip) for each in body.infractions] == [("a", IP), ("b", IP)]
    assert [refusal.reason for refusal in body.refused] == [Reason.ENVELOPE] * 2
    assert "send it as a message of its own" in body.refused[0].detail
    assert body.refused[1].detail == "a text in quotes, and what is in it has no ip: send infractions as JSON"


@pytest.mark.parametrize("item", [IP, "eyJpcCI6", 5, None, [], True])
def test_an_item_that_is_no_object_is_refused_with_what_to_send(item: object) -> None:
    (refusal,) = read([item]).refused
    assert refusal.reason is Reason.BAD_SHAPE
    assert refusal.detail == f'{item!a} is no infraction: send an object, {{"ip": "203.0.113.7"}}'


WRITERS: dict[str, Callable[[bytes], str]] = {
    "padded": lambda raw: base64.b64encode(raw).decode(),
    "unpadded": lambda raw: base64.b64encode(raw).decode().rstrip("="),
    "for URLs": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "in lines": lambda raw: base64.encodebytes(raw).decode(),
    "between white space": lambda raw: f" {base64.b64encode(raw).decode()}\r\n",
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("note", ["", "x", "xy", "\u00ff\u00fe\u203e?>", "n" * 100])
def test_base64_is_read_in_every_usual_way_of_writing(writer: str, note: str) -> None:
    raw = json.dumps({"ip": IP, "note": note}, ensure_ascii=False).encode()
    assert read(WRITERS[writer](raw)) == read(raw.decode())


@pytest.mark.parametrize("inside", ["not JSON", "5", "null", '"eyJpcCI6"', '{"ip": '])
def test_base64_of_anything_but_an_object_or_a_list_is_no_json(inside: str) -> None:
    for body in (base64.b64encode(inside.encode()).decode(), f"{in_base64({'ip': IP})}!"):
        with pytest.raises(UnreadableError, match="not JSON") as unreadable:
            read(body)
        assert unreadable.value.reason is Reason.NOT_JSON


@pytest.mark.parametrize(
    "data",
    [
        {"ip": IP, "TopicArn": "t", "Message": "{}"},
        {"ip": IP, "detail-type": "x", "detail": {"ip": "192.0.2.1"}},
        {"ip": IP, "Event": "s3:TestEvent", "Records": [{"eventSource": "aws:s3"}]},
    ],
)
def test_what_has_an_ip_is_an_infraction_whatever_else_it_has(data: object) -> None:
    assert one(data).ip == IP


@given(st.lists(st.sampled_from([in_sns, in_eventbridge, in_base64]), max_size=4), st.sampled_from(FORMS))
@settings(deadline=None, max_examples=100)
def test_envelopes_in_any_order_change_nothing(wraps: list[Callable[[object], object]], form: object) -> None:
    wrapped = form
    for wrap in wraps:
        # Base64 of base64 is no JSON.
        if not (isinstance(wrapped, str) and wrap is in_base64):
            wrapped = wrap(wrapped)
    assert read(wrapped) == read(form)
