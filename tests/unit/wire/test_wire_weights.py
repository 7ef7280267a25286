"""A weight says for how many infractions one counts; a wrong one costs its own infraction and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from f2b_worker.domain.judge.infractions import Infraction, Reason
from f2b_worker.wire import Body, UnreadableError, read_body, read_weight

SCHEMA = Path(__file__).parents[3] / "docs" / "wire.schema.json"
SENT_MS = 1_763_833_500_123
IP = "203.0.113.7"
NEIGHBOUR = {"ip": "203.0.113.9", "id": "n", "weight": 7}
PACK: dict[str, Any] = {
    "v": 1,
    "id": "k3v9x2mq0a7b",
    "t0_ms": SENT_MS,
    "dt_ms": [0, 12, 950],
    "ip": [IP, "2001:db8::1"],
    "of": [0, 0, 1],
    "weight": [1, 3, 1000],
}
WRONG_WEIGHTS: list[object] = [0, -1, 1001, 10**400, 1.5, 3.0, 1e300, "3", "", True, False, None, [], [3], {}]


def read(data: object) -> Body:
    body = data if isinstance(data, str) else json.dumps(data)
    return read_body(body, message_id="m", sent_at_ms=SENT_MS)


def simple_form(infraction: Infraction) -> dict[str, object]:
    named = infraction._asdict()
    return {"at": named.pop("at_ms") / 1000, **{key: value for key, value in named.items() if value is not None}}


@pytest.mark.parametrize("weight", [1, 3, 1000])
def test_an_infraction_counts_for_its_weight(weight: int) -> None:
    [infraction] = read({"ip": IP, "weight": weight}).infractions
    assert infraction == Infraction(IP, "default", SENT_MS, "m.0", None, weight)


def test_an_infraction_without_a_weight_counts_once_in_both_forms() -> None:
    [infraction] = read({"ip": IP}).infractions
    assert infraction.weight == 1
    for pack in ({key: value for key, value in PACK.items() if key != "weight"}, {**PACK, "weight": None}):
        assert [each.weight for each in read(pack).infractions] == [1, 1, 1]


def test_a_pack_has_one_weight_for_each_infraction() -> None:
    body = read(PACK)
    assert body.refused == []
    assert [(each.id[-1], each.ip, each.weight) for each in body.infractions] == [
        ("0", IP, 1),
        ("1", IP, 3),
        ("2", "2001:db8::1", 1000),
    ]


@pytest.mark.parametrize("weight", WRONG_WEIGHTS, ids=lambda weight: ascii(weight)[:20])
def test_a_wrong_weight_sets_its_item_aside_alone_and_as_it_came(weight: object) -> None:
    item = {"ip": IP, "weight": weight}
    body = read([NEIGHBOUR, item, NEIGHBOUR])
    assert [each.weight for each in body.infractions] == [7, 7]
    assert [(each.reason, each.item) for each in body.refused] == [(Reason.BAD_WEIGHT, item)]


@pytest.mark.parametrize("weight", WRONG_WEIGHTS, ids=lambda weight: ascii(weight)[:20])
def test_a_wrong_weight_in_a_pack_sets_its_infraction_aside_alone_and_in_the_simple_form(weight: object) -> None:
    body = read({**PACK, "weight": [1, weight, 1000]})
    assert [(each.id[-1], each.weight) for each in body.infractions] == [("0", 1), ("2", 1000)]
    item = {"ip": IP, "jail": "default", "at": (SENT_MS + 12) / 1000, "id": "k3v9x2mq0a7b.1", "weight": weight}
    assert [(each.reason, each.item) for each in body.refused] == [(Reason.BAD_WEIGHT, item)]


@pytest.mark.parametrize("weight", [0, "3" * 1000, 10**400, "\n\ud800"], ids=lambda weight: ascii(weight)[:20])
def test_a_wrong_weight_is_told_in_one_short_line(weight: object) -> None:
    with pytest.raises(ValueError, match=r"^weight: .* is no whole number from 1 to 1000$") as refused:
        read_weight(weight)
    assert len(str(refused.value)) < 100
    assert str(refused.value).isprintable()


def test_a_weight_beyond_floating_point_is_set_aside_alone() -> None:
    body = read('[{"ip": "203.0.113.7", "weight": 1e999}, {"ip": "203.0.113.7"}]')
    assert [each.reason for each in body.refused] == [Reason.BAD_WEIGHT]
    assert len(body.infractions) == 1


def test_infractions_beyond_the_end_of_the_column_are_refused_and_not_counted_once() -> None:
    body = read({**PACK, "weight": [2]})
    assert [each.weight for each in body.infractions] == [2]
    assert [each.reason for each in body.refused] == [Reason.BAD_WEIGHT] * 2


@pytest.mark.parametrize("column", [3, "3", {"0": 3}, True], ids=repr)
def test_a_column_of_another_shape_is_refused_and_told_which(column: object) -> None:
    with pytest.raises(UnreadableError, match=r"^weight: ") as refused:
        read({**PACK, "weight": column})
    assert refused.value.reason is Reason.BAD_SHAPE


def test_what_a_pack_refuses_for_another_reason_keeps_its_weight() -> None:
    [refusal] = read({**PACK, "ip": [IP, 5]}).refused
    assert isinstance(refusal.item, dict)
    assert (refusal.reason, refusal.item["weight"]) == (Reason.BAD_ADDRESS, 1000)


def test_an_infraction_of_a_pack_sent_again_in_the_simple_form_is_the_same() -> None:
    packed = read(PACK).infractions
    assert read([simple_form(each) for each in packed]).infractions == packed


def test_the_published_schema_bounds_weights_in_both_forms() -> None:
    published = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    assert published.is_valid(PACK)
    assert published.is_valid({"ip": IP, "weight": 1000})
    for weight in (0, 1001, 1.5, "3", True, None):
        assert not published.is_valid({"ip": IP, "weight": weight})
        assert not published.is_valid({**PACK, "weight": [1, weight, 1]})
