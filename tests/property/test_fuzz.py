import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.jails_schema import JailTable
from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.sorting import Sorter
from f2b_worker.errors import StartError
from f2b_worker.wire import Body, UnreadableError, parse_json, read_body, write_pack

settings.register_profile("fuzz", deadline=None, derandomize=True, database=None)
PROFILE = settings.get_profile("fuzz")

SENT_MS = 1_763_833_500_123
IPS = st.sampled_from(["203.0.113.7", "2001:db8::1", "::ffff:10.0.0.1", "example.org", "10.0.0.0/8", ""])
JAILS = st.sampled_from(["default", "login", "j" * 64])
INTS = st.integers() | st.sampled_from([-(2**63), 2**63, 2**53, 2**53 + 1, 10**400, -(10**400)])
SCALARS = st.none() | st.booleans() | INTS | st.floats(allow_nan=False) | st.text(max_size=20) | IPS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
KEYS = st.sampled_from([
    *("v", "ip", "jail", "at", "id", "note", "weight", "t0_ms", "dt_ms", "of", "in", "in_", "0", "x"),
])  # fmt: skip


def read(text: str) -> Body | None:
    with suppress(UnreadableError):
        return read_body(text, message_id="m", sent_at_ms=SENT_MS)
    return None


def reports(body: Body) -> list[str]:
    """Return a line for each refusal, made as the dead-letter queue's are."""
    return [f"{one.reason.value}: {one.detail}: {json.dumps(one.item)}" for one in body.refused]


@given(
    st.text()
    | st.binary().map(lambda raw: raw.decode("latin-1"))
    | st.text('{}[]",:0123456789.-+eEv ip', max_size=80)
)
@example('{"ip": "\ud800"}')
@example("[" * 300)
@example('{"ip": ' + "9" * 4300 + "}")
@settings(PROFILE, max_examples=500)
def test_any_text_is_read_or_refused_as_unreadable(text: str) -> None:
    body = read(text)
    assert body is None or reports(body) or body.infractions


@given(st.lists(JSON | st.dictionaries(KEYS, JSON, max_size=5) | IPS.map(lambda ip: {"ip": ip}), max_size=6))
@settings(PROFILE, max_examples=400)
def test_every_item_of_any_list_is_accounted_for(items: list[object]) -> None:
    body = read(json.dumps(items))
    if body is None:
        with pytest.raises(UnreadableError, match=r"empty|not JSON"):
            read_body(json.dumps(items), message_id="m", sent_at_ms=SENT_MS)
    else:
        assert len(body.infractions) + len(body.refused) == len(items)
        assert len(reports(body)) == len(body.refused)


@st.composite
def packs(draw: st.DrawFn) -> dict[str, Any]:
    rows = draw(st.lists(st.tuples(IPS, JAILS, st.integers(0, 2**42)), min_size=1, max_size=8))
    pack: dict[str, Any] = json.loads(write_pack(rows))
    pack["note"] = {str(index): "n" for index in range(len(rows))}
    if draw(st.booleans()):
        pack["weight"] = draw(st.lists(st.integers(1, 1000), min_size=len(rows), max_size=len(rows)))
    return pack


def _cells(pack: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in pack.items():
        yield pack, key
        inner = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
        yield from ((value, place) for place in inner)


@given(packs(), st.data(), JSON)
@settings(PROFILE, max_examples=500)
def test_a_pack_with_any_cell_overwritten_loses_nothing_unaccounted(
    pack: dict[str, Any], data: st.DataObject, value: object
) -> None:
    holder, place = data.draw(st.sampled_from(list(_cells(pack))))
    holder[place] = value
    body = read(json.dumps(pack))
    if body is not None and "dt_ms" in pack:
        assert len(body.infractions) + len(body.refused) == len(pack["dt_ms"])
        assert len(reports(body)) == len(body.refused)


@given(packs(), st.data(), SCALARS)
@settings(PROFILE, max_examples=200)
def test_a_wrong_cell_of_an_index_or_a_text_costs_its_own_infractions_only(
    pack: dict[str, Any], data: st.DataObject, value: object
) -> None:
    whole = read(json.dumps(pack))
    column = data.draw(st.sampled_from([key for key in ("ip", "of", "jail", "in", "weight") if key in pack]))
    place = data.draw(st.integers(0, len(pack[column]) - 1))
    pack[column][place] = value
    body = read(json.dumps(pack))
    assert whole is not None
    assert body is not None
    touched = [row for row in range(len(pack["dt_ms"])) if _cell_of(pack, column, row) == place]
    kept = [each for row, each in enumerate(whole.infractions) if row not in touched]
    assert [each for each in body.infractions if each in kept] == kept


def _cell_of(pack: dict[str, Any], column: str, row: int) -> int:
    """Tell which cell of *column* the infraction *row* uses."""
    if column in {"of", "in", "weight"}:
        return row
    index = pack.get("of" if column == "ip" else "in")
    if index is None:
        return row if column == "ip" else 0
    return int(index[row])


@given(packs(), st.data())
@settings(PROFILE, max_examples=300)
def test_a_pack_with_bytes_cut_or_overwritten_is_read_or_refused(
    pack: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(pack)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 9)))
    changed = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    body = read(changed)
    if body is not None:
        # A cut can take "dt_ms" and the list "ip" together: then it is one infraction, in the simple form.
        left = parse_json(changed)
        assert len(body.infractions) + len(body.refused) == (len(left["dt_ms"]) if "dt_ms" in left else 1)


@given(st.lists(st.dictionaries(KEYS, JSON, max_size=5) | IPS.map(lambda ip: {"ip": ip}), min_size=1, max_size=6))
@settings(PROFILE, max_examples=200)
def test_the_sorter_accounts_for_every_infraction_that_was_read(items: list[object]) -> None:
    body = read(json.dumps(items)) or Body([], [])
    found = Sorter(Policy(), None).sort_out(body.infractions, now_ms=SENT_MS)
    judged = sum(len(hits) for hits in found.hits.values())
    assert judged + len(found.refused) + found.ignored.total() == len(body.infractions)


WORDS = st.sampled_from([
    *("[defaults]", "[jails.login]", "[worker]", "[jails]", "[[jails]]", "windows", "ignoreip", "own_ranges"),
    *("maxretry", "findtime", "bantime", '"bantime.increment"', '"bantime.maxtime"', '"bantime.multipliers"'),
    *("=", "=", "=", "\n", "\n", "\n", "[", "]", "{", "}", ",", ".", '"', "'", "#", "true", "-1", "0", "10"),
    *('"10m"', '"203.0.113.0/24"', '["198.51.100.1"]', "1979-05-27", "07:32:00", "[1, 2]", "{maxretry = 3}"),
    *("é", "\x00", "inf", "nan", "x"),
])  # fmt: skip
VALUES = st.sampled_from([
    *("true", "-1", "0", "10", "0.5", "inf", "-inf", "nan", "1e400", "'10m'", "''", "'x'", "[]", "{}", "[1, 2.5]"),
    *("['203.0.113.7']", "[5]", "[[1]]", "[{}]", "[true]", "[1979-05-27]", "1979-05-27", "07:32:00", "'9'"),
    *("{maxretry = 3}", "[{maxretry = 3, findtime = 60}]", "[{maxretry = 3}]", "['::/0', 'fe80::1%eth0']"),
    *("[-1]", "-600", "1e300", "[1, 1e300]"),
])  # fmt: skip
NAMES = st.sampled_from([field.alias or name for name, field in JailTable.model_fields.items()])
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=4, unique_by=lambda line: line[0])
TABLES = st.sampled_from(["[defaults]", "[jails.login]", "[jails.scan]", "[worker]", "[typo]"])


@st.composite
def files(draw: st.DrawFn) -> str:
    tables = draw(st.lists(TABLES, max_size=3, unique=True))
    return "\n".join(
        line for table in tables for line in (table, *(f'"{name}" = {value}' for name, value in draw(LINES)))
    )


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "f2b.toml"


def complaint(path: Path) -> str | None:
    try:
        read_jails(path)
    except StartError as error:
        return str(error)
    return None


@given(text=files() | st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60))
@settings(PROFILE, max_examples=500)
def test_any_jails_file_is_read_or_refused_by_its_name(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    told = complaint(path)
    assert told is None or told.startswith(f"{path}: ")


LENGTHS = st.sampled_from(["bantime.factor", "bantime.multipliers", "bantime.maxtime", "bantime.rndtime"])


@given(lines=st.dictionaries(LENGTHS, VALUES, max_size=3), bantime=VALUES)
@settings(PROFILE, max_examples=300)
def test_every_ban_of_a_jail_that_was_read_has_a_length(path: Path, lines: dict[str, str], bantime: str) -> None:
    keys = {"bantime.increment": "true", "bantime": bantime, **lines}
    path.write_text("[defaults]\n" + "\n".join(f'"{key}" = {value}' for key, value in keys.items()), "utf-8")
    with suppress(StartError):
        jail = read_jails(path).policy.jail("default")
        assert all(jail.ban_length_ms(count, seed="s") > 0 for count in (1, 2, 3, 1000))
