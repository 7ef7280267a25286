from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from f2b_worker.cli.f2b import main
from tests.hostile import HOSTILE, steering

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "3-600-1800": ["--maxretry", "3", "--findtime", "600", "--bantime", "1800"],
    "5-3600-3600-doubling-1w": [
        *("--maxretry", "5", "--findtime", "1h", "--bantime", "3600"),
        *("--increment", "--maxtime", "1w"),
    ],
}
THREE = ["--maxretry", "3", "--findtime", "600", "--bantime", "60"]


def run(*args: str | Path, text: str | None = None, code: int = 0) -> Result:
    answer = CliRunner().invoke(main, ["replay", *map(str, args)], input=text, catch_exceptions=False)
    assert answer.exit_code == code, answer.output
    return answer


def lines(*times: float, ip: str = "203.0.113.7") -> str:
    return "".join(json.dumps({"ip": ip, "time": at}) + "\n" for at in times)


def objects(answer: Result) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(answer.stdout)["bans"]
    return found


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", ["elasticssh", "secrepo10k", "webvpn67k"])
def test_the_verdicts_on_a_real_attack_are_the_oracles_line_by_line(oracle: Path, name: str, setting: str) -> None:
    wanted = oracle / f"{name}.{setting}.rounded.bans.ndjson"
    answer = run(oracle / f"{name}.infractions.ndjson", *SETTINGS[setting], "-o", "ndjson")

    expected = [json.loads(line) for line in wanted.read_text().splitlines()]
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [{key: row[key] for key in expected[0]} for row in found] == expected


def test_the_order_of_the_lines_does_not_matter() -> None:
    in_order = run("-", *THREE, "--json", text=lines(1, 2, 3, 500, 501, 502))
    reversed_ = run("-", *THREE, "--json", text=lines(502, 501, 500, 3, 2, 1))

    assert objects(in_order) == objects(reversed_) != []


def test_at_is_another_name_of_time_and_may_be_rfc_3339() -> None:
    text = "".join(f'{{"ip": "203.0.113.7", "at": "2026-11-22T12:00:0{second}Z"}}\n' for second in range(3))

    (ban,) = objects(run("-", *THREE, "--json", text=text))
    assert ban["start"] == 1795348802


def test_an_infraction_counts_for_its_weight() -> None:
    text = '{"ip": "203.0.113.7", "time": 1, "weight": 2}\n' + lines(2)
    assert len(objects(run("-", *THREE, "--json", text=text))) == 1


@pytest.mark.parametrize("weight", ["0", "true", "1.5", '"2"', "null", "1001"])
def test_a_weight_that_is_none_is_left_out_with_its_line(weight: str) -> None:
    answer = run("-", *THREE, text=f'{{"ip": "203.0.113.7", "time": 1, "weight": {weight}}}\n')
    assert "left out: line 1: weight: " in answer.stderr


def test_times_before_the_calendar_are_judged_and_shown() -> None:
    answer = run("-", *THREE, text=lines(-99999999999, -99999999998, -99999999997))
    assert "0001-01-01" in answer.stdout


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "attack.ndjson.gz"
    path.write_bytes(gzip.compress(lines(1, 2, 3).encode()))

    assert len(objects(run(path, *THREE, "--json"))) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"ip": ', "line 2: not JSON"),
        ("[]", "line 2: an infraction is a JSON object with ip and time"),
        ('{"time": 1}', "line 2: no ip"),
        ('{"ip": "203.0.113.7"}', "line 2: no time"),
        ('{"ip": "203.0.113.7", "time": null}', "line 2: at: None is neither"),
        ('{"ip": "203.0.113.7", "time": "noon"}', "line 2: at: 'noon' is neither"),
        ('{"ip": "203.0.113.7", "jail": [], "time": 1}', "line 2: ip and jail are texts"),
        ('{"ip": "host.example", "time": 1}', "'host.example' is no IPv4 or IPv6 address"),
    ],
)
def test_a_bad_line_is_named_with_its_reason_and_the_others_are_judged(line: str, reason: str) -> None:
    answer = run("-", *THREE, "--json", text=lines(1) + line + "\n" + lines(2, 3))

    assert f"left out: {reason}" in answer.stderr
    assert len(objects(answer)) == 1


def test_blank_lines_are_no_infractions_and_no_mistakes() -> None:
    answer = run("-", *THREE, "--json", text=lines(1) + "\n  \n" + lines(2, 3))

    assert len(objects(answer)) == 1
    assert "left out" not in answer.stderr


def test_one_bad_line_among_thousands_costs_only_itself() -> None:
    answer = run("-", *THREE, "--json", text=lines(1, 2) + "x\n" + lines(*[3] * 12_000))

    assert "12002 infractions" in answer.stderr
    assert "left out: line 3: not JSON" in answer.stderr


def test_addresses_that_are_never_banned_are_counted() -> None:
    answer = run("-", *THREE, "--json", text=lines(1, 2, 3, ip="10.0.0.1"))

    assert objects(answer) == []
    assert "3 infractions of addresses that are never banned" in answer.stderr


def test_a_ban_for_ever_has_no_end() -> None:
    (ban,) = objects(run("-", *THREE[:-1], "-1", "--json", text=lines(1, 2, 3)))

    assert ban["until"] is ban["length"] is None


def test_the_table_shows_each_ban_with_its_times() -> None:
    answer = run("-", *THREE, text=lines(1, 2, 3))

    assert "203.0.113.7" in answer.stdout
    assert "1970-01-01 00:01:03Z" in answer.stdout


def test_another_configuration_is_compared(tmp_path: Path) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text('[defaults]\nmaxretry = 1\nbantime = "1m"\n')

    answer = run("-", *THREE, "--compare", strict, text=lines(1, 2, 3) + lines(9, ip="203.0.113.8"))

    assert f"{strict} bans 1 offenders more, 0 less, 1 as well:\n+ default      203.0.113.8" in answer.stdout


def test_jails_are_judged_by_a_file(tmp_path: Path) -> None:
    config = tmp_path / "f2b.toml"
    config.write_text("[jails.login]\nmaxretry = 2\n")
    text = "".join(f'{{"ip": "203.0.113.7", "jail": "login", "time": {at}}}\n' for at in (1, 2))

    assert [ban["jail"] for ban in objects(run("-", "--config", config, "--json", text=text))] == ["login"]


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_picture_is_drawn(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"attack.{ending}"

    run("-", *THREE, "--plot", path, text=lines(1, 2, 3, 2000, 2001, 2002))

    assert path.read_bytes()[:5] in {b"<?xml", b"\x89PNG\r"}


def test_a_picture_is_drawn_whatever_the_jails_are_called(tmp_path: Path) -> None:
    path = tmp_path / "attack.svg"
    jails = (HOSTILE, r"$\frac{", "$x$")
    text = "".join(
        json.dumps({"ip": "203.0.113.7", "jail": jail, "time": at}) + "\n" for jail in jails for at in (1, 2, 3)
    )
    answer = run("-", *THREE, "--plot", path, text=text)
    assert answer.stderr == "9 infractions, 3 bans of 3 offenders\n"
    assert steering(path.read_text() + answer.output) == []


LOG = """\
Nov 22 18:05:09 web-1 sshd[4711]: Failed password for root from 203.0.113.7 port 1 ssh2
Nov 22 18:05:10 web-1 sshd[4711]: Accepted password for bob from 203.0.113.8 port 1 ssh2
Nov 22 18:05:11 web-1 sshd[4711]: Failed password for root from 203.0.113.7 port 1 ssh2
Nov 22 18:05:12 web-1 sshd[4711]: Failed password for root from 203.0.113.7 port 1 ssh2
"""


def test_a_log_is_judged_by_fail2bans_own_regex(tmp_path: Path) -> None:
    path = tmp_path / "auth.log"
    path.write_text(LOG)

    answer = run(
        "--from-log", path, "--failregex", "Failed password for .* from <HOST>", "--jail", "sshd", *THREE, "--json"
    )

    assert [(ban["jail"], ban["ip"]) for ban in objects(answer)] == [("sshd", "203.0.113.7")]
    assert "4 lines: 3 matched, 0 ignored, 1 without a match" in answer.stderr


def test_a_line_of_a_log_that_keeps_a_regex_busy_is_named_and_counted_and_the_others_are_judged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "auth.log"
    path.write_text(LOG + "Nov 22 18:05:13 web-1 sshd[4711]: Failed password for " + "a" * 50 + "! from ::1\n")

    regex = "Failed password for (?:[a-z]+)+ from <HOST>"
    answer = run("--from-log", path, "--failregex", regex, "--jail", "sshd", *THREE, "--json")

    assert [ban["ip"] for ban in objects(answer)] == ["203.0.113.7"]
    assert "5 lines: 3 matched, 0 ignored, 1 without a match, 0 without an address, 1 too slow" in answer.stderr
    assert f"{path}: too slow, 1 so far: the regex {regex!r} took too long for the line" in answer.stderr


def test_a_bom_before_a_log_or_infractions_is_no_part_of_it(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("\ufeff" + "".join(f"203.0.113.7 failed at {at}\n" for at in range(3)), "utf-8")

    answer = run("--from-log", log, "--failregex", "^<HOST> failed", *THREE, "--json")
    assert [ban["ip"] for ban in objects(answer)] == ["203.0.113.7"]
    told = run("-", *THREE, "--json", text="\ufeff" + lines(1, 2, 3) + "\ufeff\n")
    assert [ban["ip"] for ban in objects(told)] == ["203.0.113.7"]
    assert "left out" not in answer.stderr + told.stderr


@pytest.mark.parametrize("key", ["time", "at"])
def test_a_time_in_milliseconds_is_left_out_and_named_as_that(key: str) -> None:
    answer = run("-", *THREE, "--json", text=f'{{"ip": "203.0.113.7", "{key}": 1795369500000}}\n' * 3)
    assert objects(answer) == []
    assert answer.stderr.count("it is in milliseconds: divide it by 1,000") == 3


def test_a_regex_that_cannot_be_used_is_named_before_the_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "auth.log"
    path.write_text(LOG)

    told = run("--from-log", path, "--failregex", "<HOST> [z-a]", code=3).stderr

    assert told == "f2b: failregex '<HOST> [z-a]' at character 9: bad character range z-a\n"


@pytest.mark.parametrize("args", [[], ["--from-log", "LOG"], ["-", "--from-log", "LOG", "--failregex", "<HOST>"]])
def test_what_to_read_must_be_said_once_and_wholly(tmp_path: Path, args: list[str]) -> None:
    path = tmp_path / "auth.log"
    path.write_text(LOG)

    run(*(str(path) if arg == "LOG" else arg for arg in args), code=2)


def test_a_wrong_duration_is_told_what_is_allowed() -> None:
    assert "seconds or a sum such as 10m" in run("-", "--findtime", "soon", text="", code=2).stderr
