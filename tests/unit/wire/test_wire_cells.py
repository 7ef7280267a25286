"""One cell that is written wrong, in JSON that is nearly right, costs itself and nobody else."""

from __future__ import annotations

import json

import pytest

from f2b_worker.domain.judge.infractions import Reason
from f2b_worker.intake.reading import letters
from f2b_worker.wire import Body, UnreadableError, parse_json, read_body

SENT_MS = 1_763_833_500_123
GOOD = '{"ip": "203.0.113.8"}'


def read(body: str) -> Body:
    return read_body(body, message_id="m", sent_at_ms=SENT_MS)


@pytest.mark.parametrize(
    ("written", "note"),
    [
        (r"C:\Program", r"C:\Program"),
        (r"\users", r"\users"),
        (r"\u12", r"\u12"),
        (r"^\d+\.\d+$", r"^\d+\.\d+$"),
        (r"it\'s", r"it\'s"),
        (r"\x41 \\x41", r"\x41 \x41"),
        (r"\ud83d\ude00 \q \" \\", '\N{GRINNING FACE} \\q " \\'),
        ("a\tb\nc\x00\\\t", "a\tb\nc\x00\\\t"),
    ],
)
def test_a_text_with_a_wrong_escape_or_a_control_character_is_read_as_it_stands_there(
    written: str, note: str
) -> None:
    found = read(f'[{{"ip": "203.0.113.7", "note": "{written}"}},\n\t{GOOD}]')
    assert found.refused == []
    assert [each.note for each in found.infractions] == [note, None]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("at", Reason.BAD_TIME),
        ("weight", Reason.BAD_WEIGHT),
        ("id", Reason.BAD_SHAPE),
        ("ip", Reason.BAD_ADDRESS),
        ("jail", Reason.BAD_JAIL),
    ],
)
def test_a_number_that_is_none_refuses_its_infraction_and_the_letter_about_it_is_json(
    number: str, cell: str, reason: Reason
) -> None:
    item = {"ip": '"203.0.113.7"'} | {cell: number}
    written = ", ".join(f'"{name}": {value}' for name, value in item.items())
    found = read(f"[{{{written}}}, {GOOD}]")
    assert [each.ip for each in found.infractions] == ["203.0.113.8"]
    assert [each.reason for each in found.refused] == [reason]
    (letter,) = letters(found.refused, "m")
    (again,) = json.loads(letter.body, parse_constant=pytest.fail)
    assert again[cell] == number.replace("1e999", "Infinity")


def test_a_number_that_is_none_where_nobody_reads_it_costs_nothing() -> None:
    found = read('[{"ip": "203.0.113.7", "score": NaN, "note": Infinity}]')
    assert [(each.ip, each.note) for each in found.infractions] == [("203.0.113.7", None)]


@pytest.mark.parametrize(
    "body", ['{"ip": "\\', '{"ip": "a', "{'ip': 'a'}", '{"ip": "a",}', r'{"ip": \"a"}', '"' * 7]
)
def test_what_is_wrong_outside_of_a_text_or_is_cut_off_is_no_json(body: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read(body)
    assert refused.value.reason is Reason.NOT_JSON


def test_what_is_mended_says_what_the_sender_wrote_in_all_other_texts() -> None:
    texts = ["\\", "\\n", '\\"', "\N{GRINNING FACE}", "\u2028", "\x7f", "\\ud800", "/", ""]
    assert parse_json('["\\q", ' + json.dumps(texts)[1:]) == ["\\q", *texts]
