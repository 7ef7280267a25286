import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.infractions import Infraction, Reason
from f2b_worker.domain.judge.verdicts import Hit
from f2b_worker.wire import PACK_ITEMS_MAX, Body, UnreadableError, read_body, schema, write_pack

DOCS = Path(__file__).parents[3] / "docs"
SENT_MS = 1_763_833_500_123
IP = "203.0.113.7"
PACK: dict[str, Any] = {
    "v": 1,
    "id": "k3v9x2mq0a7b",
    "t0_ms": SENT_MS,
    "dt_ms": [0, 12, 950],
    "ip": [IP, "2001:db8::1"],
    "of": [0, 0, 1],
    "jail": ["login", "scan"],
    "in": [0, 0, 1],
    "note": {"2": "wp-login.php"},
}


def read(data: object, *, message_id: str = "m") -> Body:
    body = data if isinstance(data, str) else json.dumps(data)
    return read_body(body, message_id=message_id, sent_at_ms=SENT_MS)


def one(data: object) -> Infraction:
    body = read(data)
    assert body.refused == []
    [infraction] = body.infractions
    return infraction


def refused(data: object) -> tuple[Reason, str]:
    body = read(data)
    assert body.infractions == []
    [refusal] = body.refused
    return refusal.reason, refusal.detail


def unreadable(body: object) -> tuple[Reason, str]:
    with pytest.raises(UnreadableError) as error:
        read(body)
    return error.value.reason, str(error.value)


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in PACK.items() if key not in keys}


def test_an_address_alone_is_an_infraction_of_the_default_jail_when_the_message_was_sent() -> None:
    assert one({"ip": IP}) == Infraction(IP, "default", SENT_MS, "m.0", None)


def test_every_key_of_the_simple_form_is_read() -> None:
    data = {
        "ip": "2001:db8::1",
        "jail": "login",
        "at": "2026-11-22T17:45:00Z",
        "id": "order-66",
        "note": "bad password",
    }
    assert one(data) == Infraction("2001:db8::1", "login", 1_795_369_500_000, "order-66", "bad password")


def test_a_list_is_read_in_its_order_with_places_for_names() -> None:
    body = read([{"ip": IP}, {"ip": "203.0.113.8", "at": 1763833500.25}])
    assert body.infractions == [
        Infraction(IP, "default", SENT_MS, "m.0"),
        Infraction("203.0.113.8", "default", 1_763_833_500_250, "m.1"),
    ]


def test_every_column_of_a_pack_is_read() -> None:
    assert read(PACK) == Body(
        [
            Infraction(IP, "login", SENT_MS, "k3v9x2mq0a7b.0"),
            Infraction(IP, "login", SENT_MS + 12, "k3v9x2mq0a7b.1"),
            Infraction("2001:db8::1", "scan", SENT_MS + 962, "k3v9x2mq0a7b.2", "wp-login.php"),
        ],
        [],
    )


@pytest.mark.parametrize("absent", ["left out", "null"])
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("jail", [(IP, "default", None), ("2001:db8::1", "default", "n")]),
        ("in", [(IP, "login", None), ("2001:db8::1", "login", "n")]),
        ("of", [(IP, "login", None), ("2001:db8::1", "scan", "n")]),
    ],
)
def test_a_column_that_is_absent_means_what_the_table_says(
    column: str, expected: list[tuple[str, str, str | None]], absent: str
) -> None:
    pack = {**PACK, "dt_ms": [0, 5], "of": [0, 1], "in": [0, 1], "note": {"1": "n"}, column: None}
    if column == "jail":
        pack["in"] = None
    data = pack if absent == "null" else {key: value for key, value in pack.items() if value is not None}
    assert [(each.ip, each.jail, each.note) for each in read(data).infractions] == expected


def test_a_pack_without_notes_has_none() -> None:
    assert [each.note for each in read(without("note")).infractions] == [None] * 3


def test_times_of_a_pack_may_go_back() -> None:
    body = read({**PACK, "dt_ms": [-5, -10, 100]})
    assert [each.at_ms - SENT_MS for each in body.infractions] == [-5, -15, 85]


@pytest.mark.parametrize("column", ["v", "id", "t0_ms", "dt_ms", "ip"])
def test_a_pack_without_a_required_column_is_refused_and_told_which(column: str) -> None:
    reason, told = unreadable(without(column))
    assert (reason, told) == (Reason.BAD_SHAPE, f"{column}: Field required")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        *(
            ({"id": ""}, "id"),
            ({"id": "a b"}, "id"),
            ({"id": "a" * 33}, "id"),
            ({"id": "a\n"}, "id"),
            ({"id": 5}, "id"),
        ),
        *(
            ({"t0_ms": "0"}, "t0_ms"),
            ({"t0_ms": 0.5}, "t0_ms"),
            ({"t0_ms": True}, "t0_ms"),
            ({"t0_ms": 2**54}, "t0_ms"),
        ),
        *(({"dt_ms": 5}, "dt_ms"), ({"dt_ms": [0, "5"]}, "dt_ms.1"), ({"dt_ms": [0.5]}, "dt_ms.0")),
        *(({"dt_ms": [None]}, "dt_ms.0"), ({"dt_ms": [10**400]}, "dt_ms.0"), ({"dt_ms": [True]}, "dt_ms.0")),
        *(
            ({"ip": IP}, "ip"),
            ({"of": 0}, "of"),
            ({"jail": "login"}, "jail"),
            ({"in": {}}, "in"),
        ),
        ({"dt_ms": [0] * (PACK_ITEMS_MAX + 1)}, "dt_ms"),
    ],
    ids=lambda part: repr(part)[:40],
)
def test_a_pack_with_a_column_of_another_shape_is_refused_and_told_which(
    change: dict[str, Any], place: str
) -> None:
    reason, told = unreadable({**PACK, **change})
    assert reason is Reason.BAD_SHAPE
    assert told.startswith(f"{place}: ")


@pytest.mark.parametrize("note", [[], None, "text", {"1": None}, {"x": "text"}], ids=repr)
def test_notes_of_another_shape_cost_no_infraction(note: object) -> None:
    assert len(read({**PACK, "note": note}).infractions) == 3


def test_a_pack_holds_ten_thousand_infractions() -> None:
    data = {**without("note"), "dt_ms": [1] * 10_000, "of": [0] * 10_000, "in": [1] * 10_000}
    assert len(read(data).infractions) == 10_000


@pytest.mark.parametrize("data", [[], {**PACK, "dt_ms": []}], ids=["list", "pack"])
def test_nothing_at_all_is_refused_as_empty(data: object) -> None:
    assert unreadable(data)[0] is Reason.EMPTY


@pytest.mark.parametrize(
    "body",
    [
        *("", " ", "{", "[", '{"ip": "203.0.113.7"', "{'ip': '203.0.113.7'}", "ip=203.0.113.7", "203.0.113.7"),
        *('{"ip": "203.0.113.7"},', '{"ip": nan}', "-NaN", "inf", '[{"ip": "203.0.113.7", "at": undefined}]'),
        *("\x00", "\x89PNG\r\n\x1a\n\x00", "\x1f\x8b\x08\x00\x00", '{"ip": \x01}', '"\\ud800', "\ud800"),
    ],
)
def test_what_is_no_json_is_refused(body: str) -> None:
    reason, told = unreadable(body)
    assert (reason, told[:10]) == (Reason.NOT_JSON, "not JSON: ")


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, "[" * 5_000 + "]" * 5_000, '{"a":' * 5_000 + "1" + "}" * 5_000, '{"at": ' + "9" * 5_000 + "}"],
    ids=["open", "lists", "objects", "number"],
)
def test_json_beyond_all_bounds_is_refused(body: str) -> None:
    assert unreadable(body)[0] is Reason.NOT_JSON


@pytest.mark.parametrize("version", [2, 0, -1, True, False, "1", 1.5, None, [1], {}, 10**400], ids=repr)
@pytest.mark.parametrize("form", [{"ip": IP}, PACK], ids=["simple", "packed"])
def test_an_unknown_version_is_refused_and_told(form: dict[str, Any], version: object) -> None:
    reason, told = unreadable({**form, "v": version})
    assert reason is Reason.UNKNOWN_VERSION
    assert told == f"version {ascii(version)[:40]} is not known; this worker reads 1"


def test_the_simple_form_may_name_its_version() -> None:
    assert one({"v": 1, "ip": IP}) == one({"ip": IP})


def test_unknown_keys_are_ignored_in_both_forms() -> None:
    assert one({"ip": IP, "country": ["NL"]}) == one({"ip": IP})
    assert read({**PACK, "region": {"a": 1}}) == read(PACK)


@pytest.mark.parametrize("body", ["5", '"203.0.113.7"', "null", "true", "1.5"])
def test_json_that_is_neither_object_nor_list_is_refused(body: str) -> None:
    assert unreadable(body)[0] is Reason.BAD_SHAPE


NEIGHBOUR = {"ip": "203.0.113.9", "id": "n"}
WRONG_IDS: list[object] = ["", "i" * 65, 10**64, [], {}, True]
WRONG_TIMES: list[object] = [True, [], {}, [1763833500], "", "yesterday", "1763833500", "2026-13-01T00:00:00Z"]
NO_INDEX: list[object] = [2, -1, True, 0.0, "0", None, []]
NO_JAIL: list[object] = ["", "a b", 5, None, "j" * 65]
NO_TEXT: list[object] = [5, True, [], {"ip": IP}]
WRONG_ITEMS: list[tuple[object, Reason]] = [
    *((item, Reason.BAD_SHAPE) for item in (5, "203.0.113.7", None, [], [{"ip": IP}], True)),
    *((item, Reason.NO_IP) for item in ({}, {"IP": IP}, {"jail": "login"})),
    *(({"ip": ip}, Reason.BAD_ADDRESS) for ip in (5, None, True, 1.5, [IP], {"a": IP}, 10**400)),
    *(
        ({"ip": IP, "jail": jail}, Reason.BAD_JAIL)
        for jail in ("", "a b", "j" * 65, "login\n", "é", 5, None, ["a"])
    ),
    *(({"ip": IP, "id": own_id}, Reason.BAD_SHAPE) for own_id in WRONG_IDS),
]


@pytest.mark.parametrize(("item", "reason"), WRONG_ITEMS, ids=lambda part: ascii(part)[:60])
def test_a_wrong_item_is_set_aside_alone_by_its_reason_and_as_it_came(item: object, reason: Reason) -> None:
    body = read([NEIGHBOUR, item, NEIGHBOUR])
    assert [each.ip for each in body.infractions] == ["203.0.113.9"] * 2
    assert [(each.reason, each.item) for each in body.refused] == [(reason, item)]


@pytest.mark.parametrize(
    ("at", "at_ms"),
    [
        *(("2026-11-22T17:45:00Z", 1_795_369_500_000), ("2026-11-22T18:45:00+01:00", 1_795_369_500_000)),
        *(("2026-11-22T17:45:00.25Z", 1_795_369_500_250), ("2026-11-22T17:45:00.1234567Z", 1_795_369_500_123)),
        *(("2026-11-22 17:45:00Z", 1_795_369_500_000), ("2026-11-22T12:15:00-05:30", 1_795_369_500_000)),
        *(
            (1_795_369_500, 1_795_369_500_000),
            (1_795_369_500.0005, 1_795_369_500_000),
            (0.25, 250),
            (0, 0),
            (-1, -1000),
        ),
        (None, SENT_MS),
    ],
)
def test_a_time_is_read_to_the_millisecond(at: object, at_ms: int) -> None:
    assert one({"ip": IP, "at": at}).at_ms == at_ms


@pytest.mark.parametrize("at", ["2026-11-22T17:45:00z", "2026-11-22t17:45:00Z", "2026-12-31T23:59:60Z"])
def test_every_spelling_that_rfc_3339_allows_is_read(at: str) -> None:
    assert one({"ip": IP, "at": at}).at_ms > SENT_MS


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-11-22T17:45:00", "has no zone"),
        ("2026-11-22", "has no zone"),
        *((at, "is neither RFC 3339 nor epoch seconds") for at in WRONG_TIMES),
        ("2026-11-22T17:45:00+24:00", "is neither RFC 3339 nor epoch seconds"),
        ("\u0662026-11-22T00:00:00Z", "is neither RFC 3339 nor epoch seconds"),
        *((at, "is no time in epoch seconds") for at in (1e300, -1e300, 10**400, 2**60)),
    ],
)
def test_what_is_no_time_is_refused_and_told(at: object, told: str) -> None:
    reason, detail = refused({"ip": IP, "at": at})
    assert reason is Reason.BAD_TIME
    assert detail.startswith("at: ")
    assert told in detail


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *(({"of": [0, wrong, 1]}, Reason.NO_IP) for wrong in NO_INDEX),
        *(({"in": [0, wrong, 1]}, Reason.BAD_JAIL) for wrong in NO_INDEX),
        ({"of": [0, 0, 2]}, Reason.NO_IP),
        ({"ip": [IP, None]}, Reason.NO_IP),
        ({"of": [0, 0]}, Reason.NO_IP),
        ({"in": [0, 0]}, Reason.BAD_JAIL),
        *(({"ip": [IP, wrong]}, Reason.BAD_ADDRESS) for wrong in NO_TEXT),
        *(({"jail": ["login", wrong]}, Reason.BAD_JAIL) for wrong in NO_JAIL),
        ({"of": None, "ip": [IP, IP]}, Reason.NO_IP),
    ],
    ids=repr,
)
def test_a_wrong_cell_of_a_pack_sets_its_infraction_aside_and_no_other(
    change: dict[str, Any], reason: Reason
) -> None:
    body = read({**PACK, **change})
    assert [each.reason for each in body.refused] == [reason]
    kept = {each.id: each for each in read(PACK).infractions}
    assert len(body.infractions) == 2
    assert all(each._replace(ip=kept[each.id].ip) == kept[each.id] for each in body.infractions)


def test_what_a_pack_refuses_is_told_in_the_simple_form_with_its_identity() -> None:
    [refusal] = read({**PACK, "jail": ["login", "a b"]}).refused
    item = {"ip": "2001:db8::1", "jail": "a b", "at": (SENT_MS + 962) / 1000, "id": "k3v9x2mq0a7b.2"}
    assert {**item, "note": "wp-login.php"} == {"note": "wp-login.php", **dict(refusal.item)}  # type: ignore[call-overload]
    assert one({**item, "jail": "scan"}) == read(PACK).infractions[2]._replace(note=None)


def test_what_a_pack_refuses_keeps_its_note() -> None:
    [refusal] = read({**PACK, "jail": ["login", "a b"]}).refused
    assert isinstance(refusal.item, dict)
    assert refusal.item.get("note") == "wp-login.php"


@pytest.mark.parametrize("note", [5, [], {}, True, None])
def test_a_note_is_never_a_reason_to_refuse(note: object) -> None:
    assert one({"ip": IP, "note": note}).note is None
    assert [each.note for each in read({**PACK, "note": {"0": note}}).infractions] == [None] * 3


def test_a_long_note_is_cut_to_200_characters() -> None:
    assert one({"ip": IP, "note": "é" * 300}).note == "é" * 200
    assert read({**PACK, "note": {"0": "é" * 300}}).infractions[0].note == "é" * 200


@pytest.mark.parametrize(
    "ip", ["example.org", "10.0.0.0/8", "fe80::1%eth0", "203.0.113.7:80", "", "2001:db8::/64"]
)
def test_text_that_is_no_address_passes_the_wire_as_it_came_for_the_docket_to_refuse(ip: str) -> None:
    assert one({"ip": ip}).ip == ip
    assert [each.ip for each in read({**PACK, "ip": [ip, IP]}).infractions] == [ip, ip, IP]


def test_a_redelivery_names_the_same_infractions() -> None:
    data = [{"ip": IP}, {"ip": IP}, {"ip": IP, "id": "own"}]
    first, again, other = read(data, message_id="m1"), read(data, message_id="m1"), read(data, message_id="m2")
    assert first == again
    assert [each.id for each in first.infractions] == ["m1.0", "m1.1", "own"]
    assert [each.id for each in other.infractions] == ["m2.0", "m2.1", "own"]


def test_a_pack_sent_twice_is_the_same_infractions_whatever_message_brings_it() -> None:
    assert read(PACK, message_id="m1") == read(PACK, message_id="m2")


def test_infractions_with_the_same_id_address_jail_and_time_are_the_same_hit() -> None:
    item = {"ip": IP, "id": "order-66", "at": 5}
    again, later = read([item, item, {**item, "at": 6}], message_id="a"), read(item, message_id="b")
    hits = {Hit(each.at_ms, each.id) for each in again.infractions + later.infractions}
    assert hits == {Hit(5000, "order-66"), Hit(6000, "order-66")}


@pytest.mark.parametrize("name", ["0123456789abcdef", "x"])
def test_an_id_of_up_to_sixteen_bytes_stays_as_it_is(name: str) -> None:
    assert one({"ip": IP, "id": name}).id == name


@pytest.mark.parametrize("length", [17, 64])
def test_a_long_id_is_shortened_alike_everywhere_and_stays_distinct(length: int) -> None:
    ids = [one({"ip": IP, "id": ("x" * (length - 1)) + last}).id for last in "abab"]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
    assert {len(each) for each in ids} == {16}


@pytest.mark.parametrize("name", ["é", "é" * 16, "\U0001f980" * 16])
def test_an_id_of_other_characters_than_ascii_takes_no_more_room_than_any(name: str) -> None:
    assert len(one({"ip": IP, "id": name}).id.encode()) == 16
    assert one({"ip": IP, "id": name}).id != one({"ip": IP, "id": f"{name}é"}).id


def test_the_shortened_form_of_an_id_never_changes_between_versions() -> None:
    assert one({"ip": IP, "id": "0123456789abcdefg"}).id == "5ef4df2671be8cc1"


def test_a_shortened_id_that_comes_again_stays_as_it_is() -> None:
    short = one({"ip": IP, "id": "x" * 64}).id
    assert one({"ip": IP, "id": short}).id == short


@pytest.mark.parametrize(
    "infractions",
    [
        [(IP, "default", 5)],
        [(IP, "default", 5), ("203.0.113.8", "default", 7)],
        [(IP, "login", 5), (IP, "login", 5), ("2001:db8::1", "login", 3)],
        [(IP, "login", 5), ("2001:db8::1", "scan", 5_000_000), (IP, "default", -5)],
    ],
)
def test_a_written_pack_reads_as_what_was_written(infractions: list[tuple[str, str, int]]) -> None:
    body = read(write_pack(infractions))
    assert [(each.ip, each.jail, each.at_ms) for each in body.infractions] == infractions
    assert body.refused == []


def test_two_written_packs_are_different_infractions() -> None:
    first, second = (read(write_pack([(IP, "default", 5)])).infractions[0] for _ in range(2))
    assert first.id != second.id


def test_a_written_pack_leaves_out_what_says_nothing() -> None:
    data = json.loads(write_pack([(IP, "default", 5), ("203.0.113.8", "default", 6)]))
    assert data.keys() == {"v", "id", "t0_ms", "dt_ms", "ip"}


def test_an_unknown_jail_passes_the_wire() -> None:
    assert not Policy().knows(one({"ip": IP, "jail": "nobody-configured-this"}).jail)


@pytest.fixture(scope="module")
def published() -> Draft202012Validator:
    committed = json.loads((DOCS / "wire.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(committed)
    return Draft202012Validator(committed)


def examples() -> Iterator[object]:
    decoder = json.JSONDecoder()
    for block in (DOCS / "wire.md").read_text("utf-8").split("```json\n")[1:]:
        text = block.split("```", 1)[0].strip()
        while text:
            data, end = decoder.raw_decode(text)
            yield data
            text = text[end:].strip()


def test_the_published_schema_is_the_one_of_this_version() -> None:
    text = (DOCS / "wire.schema.json").read_text("utf-8")
    assert json.loads(text) == schema(), "run `make schema`"


def test_every_example_of_the_documentation_is_valid_and_is_read_whole(published: Draft202012Validator) -> None:
    shown = list(examples())
    assert len(shown) == 5
    for data in shown:
        published.validate(data)
        assert read(data).refused == []


@pytest.mark.parametrize(
    "data",
    [
        *([], {}, 5, "203.0.113.7", [5], [{}], {"ip": 5}, {"ip": None}, {"ip": [IP]}, {"ip": IP, "jail": "a b"}),
        *({"ip": IP, "id": ""}, {"ip": IP, "id": "i" * 65}, {"ip": IP, "at": True}, {"ip": IP, "note": "n" * 201}),
    ],
    ids=repr,
)
def test_the_published_schema_refuses_what_is_wrong(data: object, published: Draft202012Validator) -> None:
    assert not published.is_valid(data)


@pytest.mark.parametrize("column", ["v", "id", "t0_ms", "dt_ms", "ip"])
def test_the_published_schema_refuses_a_pack_that_lacks_a_column(
    column: str, published: Draft202012Validator
) -> None:
    assert not published.is_valid(without(column))


@pytest.mark.parametrize(
    "change",
    [
        *({"v": 2}, {"id": "a b"}, {"dt_ms": []}, {"dt_ms": [0.5]}, {"of": [-1]}, {"ip": [5]}, {"t0_ms": "0"}),
        *({"dt_ms": [0] * 10_001}, {"jail": ["a b"]}, {"in": ["0"]}, {"note": {"0": 5}}),
    ],
    ids=lambda change: repr(change)[:40],
)
def test_the_published_schema_refuses_a_pack_with_a_wrong_column(
    change: dict[str, Any], published: Draft202012Validator
) -> None:
    assert published.is_valid(PACK)
    assert not published.is_valid({**PACK, **change})


def test_the_published_schema_knows_no_other_version_in_the_simple_form_either(
    published: Draft202012Validator,
) -> None:
    assert published.is_valid({"v": 1, "ip": IP})
    assert not published.is_valid({"v": 2, "ip": IP})
