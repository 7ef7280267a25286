"""Which bans are read from the lists of other programs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.errors import StartError
from f2b_worker.offline.ban_lists import READERS, Listed, read_fail2ban

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_700_000_000_000
CROWDSEC = [
    {
        "id": 1,
        "decisions": [
            {"value": "203.0.113.1", "scope": "Ip", "duration": "3h59m49.118s", "scenario": "ssh-bf"},
            {"value": "203.0.113.0/24", "scope": "Range", "duration": "1h"},
        ],
    },
    {"id": 2, "decisions": None, "value": "203.0.113.2", "duration": "-1"},
]


def read(form: str, text: str) -> list[Listed]:
    return list(READERS[form](text, NOW_MS))


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        (
            "values",
            "# a list\n203.0.113.1\n\n203.0.113.0/24 ; SBL1\n",
            [Listed("203.0.113.1"), Listed("203.0.113.0/24")],
        ),
        (
            "csv",
            "IP,Jail,Until\n203.0.113.1,login,1700003600\n203.0.113.2,,\n",
            [Listed("203.0.113.1", "login", 1_700_003_600_000), Listed("203.0.113.2")],
        ),
        ("csv", "value,duration\n203.0.113.1,4h\n", [Listed("203.0.113.1", "", NOW_MS + 14_400_000)]),
        (
            "ndjson",
            (
                '{"ip": "203.0.113.1", "jail": "login", "until": "2023-11-14T23:13:20Z"}\n'
                '{"ip": "::1", "until": null}\n'
            ),
            [Listed("203.0.113.1", "login", 1_700_003_600_000), Listed("::1", "", FOREVER_MS)],
        ),
        (
            "crowdsec",
            json.dumps(CROWDSEC),
            [
                Listed("203.0.113.1", "", NOW_MS + 14_389_000),
                Listed("203.0.113.0/24", "", NOW_MS + 3_600_000),
                Listed("203.0.113.2", "", FOREVER_MS),
            ],
        ),
        ("crowdsec", "null", []),
    ],
)
def test_a_list_is_read_with_what_it_says(form: str, text: str, found: list[Listed]) -> None:
    assert read(form, text) == found


@pytest.mark.parametrize(
    ("form", "text", "told"),
    [
        ("ndjson", '{"ip": "203.0.113.1"}\nnonsense\n', "line 2: not JSON"),
        ("ndjson", "[]\n", "line 1: not a JSON object"),
        ("ndjson", '{"ip": "203.0.113.1", "until": "tomorrow"}\n', "neither RFC 3339 nor epoch seconds"),
        ("csv", "ip,duration\n203.0.113.1,a while\n", "a while"),
        ("crowdsec", "{", "the file: not JSON"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(form: str, text: str, told: str) -> None:
    with pytest.raises(StartError) as error:
        read(form, text)
    assert told in str(error.value)


def test_the_running_bans_of_fail2bans_database_are_read(tmp_path: Path) -> None:
    path = tmp_path / "fail2ban.sqlite3"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE bips (ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER)")
        now_s = NOW_MS // 1000
        rows = [("203.0.113.1", now_s, 600), ("203.0.113.2", now_s - 900, 600), ("203.0.113.3", now_s, -1)]
        database.executemany("INSERT INTO bips VALUES (?, 'sshd', ?, ?)", rows)
    assert list(read_fail2ban(path, NOW_MS)) == [
        Listed("203.0.113.1", "sshd", NOW_MS + 600_000),
        Listed("203.0.113.3", "sshd", FOREVER_MS),
    ]


def test_what_is_no_database_of_fail2bans_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("nonsense")
    with pytest.raises(StartError, match="not a database of fail2ban"):
        list(read_fail2ban(tmp_path / "other", NOW_MS))
