"""What names an infraction of a pack, and who reported it."""

import json
from typing import Any

import pytest

from f2b_worker.domain.judge.infractions import Reason, split_id
from f2b_worker.wire import Body, read_body

PACK: dict[str, Any] = {"v": 1, "id": "p", "t0_ms": 1000, "dt_ms": [0, 0, 0], "ip": ["a", "b", "c"]}


def read(**more: Any) -> Body:
    return read_body(json.dumps(PACK | more), message_id="m", sent_at_ms=5)


@pytest.mark.parametrize("notes", [{}, {"note": {"0": "n"}}])
def test_an_infraction_with_a_name_has_that_one_and_the_others_that_of_the_pack(notes: Any) -> None:
    body = read(ids=["Jd0xKw2mQ4s", None, "x" * 20], **notes)
    names = [each.id for each in body.infractions]
    assert names[:2] == ["Jd0xKw2mQ4s", "p.1"]
    assert len(names[2]) == 16
    assert names == [each.id for each in read(id="q", ids=[names[0], "p.1", "x" * 20]).infractions]


def test_a_wrong_name_costs_nobody_else_anything() -> None:
    body = read(ids=["", 66, ["x"]])
    assert [each.id for each in body.infractions] == ["66"]
    assert [each.reason for each in body.refused] == [Reason.BAD_SHAPE] * 2
    assert [each.id for each in read(ids=["a"]).infractions] == ["a", "p.1", "p.2"]


@pytest.mark.parametrize(
    ("said", "reporter"), [("web-1", "web-1"), (None, ""), (7, ""), ("a b", ""), ("x" * 65, ""), ([], "")]
)
def test_who_reports_is_told_if_it_is_a_name_and_never_judged(said: Any, reporter: str) -> None:
    for more in ({}, {"note": {"0": "n"}}):
        body = read(reporter=said, **more)
        assert body.reporter == reporter
        assert [split_id(each.id) for each in body.infractions] == [(f"p.{n}", reporter) for n in range(3)]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("login-7c9f8d6b5-x2x4z", "8d6b5-x2x4z"),
        ("web-1.example.com", "web-1"),
        ("ip-10-0-1-23.eu-west-1.compute.internal", "p-10-0-1-23"),
        (".hidden-machine", ""),
    ],
)
def test_of_a_long_name_what_tells_it_from_others_is_kept(name: str, kept: str) -> None:
    [one, *_] = read(reporter=name).infractions
    assert split_id(one.id) == ("p.0", kept)


def test_the_simple_form_may_name_its_reporter_and_a_letter_about_it_does() -> None:
    said = {"ip": "203.0.113.7", "jail": "login", "at": 1.0, "id": "a", "reporter": "web-1"}
    [one] = read_body(json.dumps(said), message_id="m", sent_at_ms=5).infractions
    assert one.id == "a@web-1"
    assert one.as_item() == said


def test_an_id_that_looks_as_if_it_had_a_reporter_has_none() -> None:
    said = [{"ip": "203.0.113.7", "id": f"order@{n}"} for n in range(2)]
    ids = [each.id for each in read_body(json.dumps(said), message_id="m", sent_at_ms=5).infractions]
    assert len(set(ids)) == 2
    assert not any(split_id(each)[1] for each in ids)
