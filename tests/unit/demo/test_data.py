"""Files of infractions, as `make demo DATA=FILE` reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.checker import Infraction
from demo.data import BadLineError, read

if TYPE_CHECKING:
    from pathlib import Path

IP = "203.0.113.7"
GOOD = json.dumps({"ip": IP, "jail": "login", "at": 17})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my infractions.ndjson"


def test_it_takes_time_or_at_and_a_default_jail(file: Path) -> None:
    rows = ['{"ip": "203.0.113.7", "jail": "login", "time": 17}', "", '{"ip": "2001:db8::1", "at": 1.001}']
    file.write_text("\r\n".join(rows))
    assert read(file) == [Infraction(IP, "login", 17_000), Infraction("2001:db8::1", "default", 1001)]


@pytest.mark.parametrize(
    ("at", "ms"),
    [
        ("1970-01-01T00:00:17Z", 17_000),
        ("1970-01-01t00:00:17.250z", 17_250),
        ("1970-01-01T01:00:17+01:00", 17_000),
        ("1970-01-01 00:00:17Z", 17_000),
        ("1970-01-01T00:00:60Z", 59_000),
        ("17.5", 17_500),
        (17, 17_000),
    ],
)
def test_times_are_rfc_3339_or_epoch_seconds(at: object, ms: int, file: Path) -> None:
    file.write_text(json.dumps({"ip": IP, "at": at}))
    assert [each.at_ms for each in read(file)] == [ms]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "it is no JSON"),
        (b"\xff\xfe{}", "it is no JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"17", "it is no object"),
        (b"{}", "it has no time"),
        (b'{"ip": "203.0.113.7"}', "it has no time"),
        (b'{"at": 17}', "ip: None is not an address"),
        (b'{"ip": "nobody", "at": 17}', "ip: 'nobody' is not an address"),
        (b'{"ip": "fe80::1%eth0", "at": 17}', "ip: 'fe80::1%eth0' is not an address"),
        (b'{"ip": 17, "at": 17}', "ip: 17 is not an address"),
        (b'{"ip": "203.0.113.7", "jail": "a b", "at": 17}', "jail: 'a b' is not a name"),
        (b'{"ip": "203.0.113.7", "jail": null, "at": 17}', "jail: None is not a name"),
        (b'{"ip": "203.0.113.7", "at": "yesterday"}', "at: 'yesterday' is neither"),
        (b'{"ip": "203.0.113.7", "at": "2026-11-28T10:00:00"}', "names no zone"),
        (b'{"ip": "203.0.113.7", "time": null}', "time: None is neither"),
        (b'{"ip": "203.0.113.7", "at": true}', "at: True is neither"),
        (b'{"ip": "203.0.113.7", "at": NaN}', "at: nan is neither"),
        (b'{"ip": "203.0.113.7", "at": -1}', "at: -1 is neither"),
        (b'{"ip": "203.0.113.7", "at": 1764324000000}', "looks like milliseconds"),
        (b'{"ip": "203.0.113.7", "at": 1' + b"0" * 400 + b"}", "looks like milliseconds"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_costs_only_itself(line: bytes, why: str, file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\n\n" + line + b"\n" + GOOD.encode() + b"\n")
    bad: list[BadLineError] = []
    assert read(file, bad.append) == [Infraction(IP, "login", 17_000)] * 2
    (named,) = map(str, bad)
    assert named.startswith("line 3: ")
    assert why in named
    assert "\n" not in named
    with pytest.raises(BadLineError, match="line 3"):
        read(file)
