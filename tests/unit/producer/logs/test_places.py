"""Where a log's dates are found, and what attackers write elsewhere."""

import json
from datetime import UTC, datetime

import pytest

from f2b_producer.logs import places
from f2b_producer.logs.dates import Dates
from f2b_producer.logs.places import SURVEY_LINES

AT = datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
NOW_MS = AT_MS + 1000
FAKES = [
    "2001-01-01T00:00:00Z",
    "22/Nov/2001:18:05:09 +0000",
    "[22/Nov/2001:18:05:09 +0000]",
    "[2001-01-01 00:00:00]",
    "Jan  1 00:00:00",
    "1000000000",
    "time=2001-01-01T00:00:00Z",
    '","time":"2001-01-01T00:00:00Z","ts":1000000000.1,"x":"',
    '[22/Nov/2001:18:05:09 +0000] "GET /',
    '\\" [22/Nov/2001:18:05:09 +0000] "',
]


def in_access_log(fake: str, *, user: str = "-", agent: str = "x") -> str:
    """Write a line as nginx does: what a client sent has its quotation marks escaped."""
    url, user, agent = (each.replace("\\", "\\x5C").replace('"', "\\x22") for each in (fake, user, agent))
    return f'203.0.113.7 - {user} [22/Nov/2026:18:05:09 +0000] "GET /{url} HTTP/1.1" 404 1 "-" "{agent}"'


def in_apaches_log(fake: str) -> str:
    """Write a line as Apache does: a backslash goes before the quotation marks of a client, of his name, too."""
    escaped = fake.replace("\\", "\\\\").replace('"', '\\"')
    return f'203.0.113.7 - x\\"{escaped} [22/Nov/2026:18:05:09 +0000] "GET /{escaped} HTTP/1.1" 404 1'


def in_docker(line: str) -> str:
    return json.dumps(
        {"log": f"{line}\n", "stream": "stdout", "time": "2026-11-22T18:05:09.000000001Z"}, separators=(",", ":")
    )


def in_caddy(fake: str) -> str:
    return json.dumps(
        {
            "level": "info",
            "ts": AT_MS / 1000,
            "logger": "http.log.access",
            "request": {"remote_ip": "203.0.113.7", "uri": f"/{fake}", "headers": {"ts": [fake], "Time": fake}},
            "user_id": fake,
            "status": 401,
        },
        separators=(",", ":"),
    )


def in_nginx_json(fake: str) -> str:
    return json.dumps({"ip": "203.0.113.7", "request": f"GET /{fake}", "agent": fake, "time": AT.isoformat()})


def in_syslog(fake: str) -> str:
    return f"Nov 22 18:05:09 web sshd[7]: Invalid user {fake} from 203.0.113.7 port 22"


def in_logfmt(fake: str) -> str:
    return f'level=info time="2026-11-22T18:05:09Z" uri={json.dumps(fake)} ip=203.0.113.7'


LOGS = {
    "an access log's URL": in_access_log,
    "an access log's user name": lambda fake: in_access_log("", user=f"x {fake}"),
    "an access log's user agent": lambda fake: in_access_log("", agent=fake),
    "Apache's log": in_apaches_log,
    "Apache's log in docker's json-file": lambda fake: in_docker(in_apaches_log(fake)),
    "docker's json-file": lambda fake: in_docker(f'203.0.113.7 "GET /{fake}" 401'),
    "an access log in docker's json-file": lambda fake: in_docker(in_access_log(fake, user=fake, agent=fake)),
    "Caddy's JSON": in_caddy,
    "nginx's JSON": in_nginx_json,
    "syslog": in_syslog,
    "logfmt": in_logfmt,
}


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("log", LOGS)
def test_what_a_client_writes_never_dates_a_line(log: str, fake: str) -> None:
    write = LOGS[log]
    learnt = Dates(UTC)
    learnt.learn(write("x") for _ in range(10))
    known = learnt.find(write(fake), NOW_MS)
    assert known
    assert known.at_ms == AT_MS
    # Nor does it if it stands in the first lines that are ever seen; of some logs nothing is known then.
    new = Dates(UTC)
    found = {stamp and stamp.at_ms for stamp in (new.find(write(fake), NOW_MS) for _ in range(2 * SURVEY_LINES))}
    assert found <= {AT_MS, None}
    assert AT_MS in found


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize(
    "log",
    [
        "an access log's URL",
        "an access log's user name",
        "Apache's log",
        "Apache's log in docker's json-file",
        "syslog",
        "nginx's JSON",
    ],
)
def test_what_a_client_writes_never_moves_the_date_that_is_cut_out(log: str, fake: str) -> None:
    line = LOGS[log](fake)
    found = Dates(UTC).find(line, NOW_MS)
    assert found
    assert line[found.start : found.end] in {AT.isoformat(), "22/Nov/2026:18:05:09 +0000", "Nov 22 18:05:09"}


@pytest.mark.parametrize(
    "line",
    [
        "11/22/2026 18:05:09 GET /?from=2001-01-01T00:00:00Z by 203.0.113.7",
        "login of 2001-01-01T00:00:00Z failed from 203.0.113.7",
        '{"when":"22.11.26 18:05","uri":"/2001-01-01T00:00:00Z","ip":"203.0.113.7"}',
        '{"request":{"time":"2001-01-01T00:00:00Z"},"ip":"203.0.113.7"}',
    ],
)
def test_a_line_whose_own_date_is_of_no_known_form_has_none(line: str) -> None:
    dates = Dates(UTC)
    dates.learn(["login of bob failed from 203.0.113.8"] * 5)
    assert dates.find(line, NOW_MS) is None


@pytest.mark.parametrize(
    "line",
    [
        "INFO 2026-11-22 18:05:09,000 login failed",
        "web-1 nginx 2026/11/22 18:05:09 [error] x",
        'lb "a b" [22/Nov/2026:18:05:09.000] fe',
    ],
)
def test_a_date_behind_a_few_words_is_found_once_some_lines_have_it(line: str) -> None:
    dates = Dates(UTC)
    dates.learn([line] * 3)
    found = dates.find(line, NOW_MS)
    assert found
    assert found.at_ms == AT_MS


@pytest.mark.parametrize(
    "time",
    [
        '"2026-11-22T18:05:09Z"',
        '"22/Nov/2026:18:05:09 +0000"',
        "1795370709",
        "1795370709.000",
        '"1795370709.000"',
        "1795370709000",
        "1795370709000000",
        '"1795370709000000001"',
    ],
)
@pytest.mark.parametrize("name", ["ts", "time", "@timestamp", "time_iso8601", "msec", "__REALTIME_TIMESTAMP"])
def test_json_has_its_time_in_a_key_of_any_of_the_usual_names_and_units(name: str, time: str) -> None:
    for line in (f'{{"{name}":{time},"ip":"x"}}', f'{{"ip": "x", "{name}": {time}}}'):
        found = Dates(UTC).find(line, NOW_MS)
        assert found
        assert found.at_ms == AT_MS
        assert line[found.start : found.end] == time.strip('"')


def test_of_what_docker_wrapped_the_regexes_see_the_line_without_the_programs_own_date() -> None:
    line = in_docker('203.0.113.7 - - [22/Nov/2026:18:05:09 +0000] "GET / HTTP/1.1" 401')
    found = Dates(UTC).find(line, NOW_MS)
    assert found
    assert line[found.start : found.end] == "22/Nov/2026:18:05:09 +0000"


def test_a_line_of_a_learnt_log_has_its_date_there_or_none() -> None:
    dates = Dates(UTC)
    dates.learn(["Nov 22 18:05:09 web app: x"] * SURVEY_LINES)
    assert dates.find('  by x [22/Nov/2001:18:05:09 +0000] "GET /', NOW_MS) is None
    assert dates.find('{"time":"2001-01-01T00:00:00Z"}', NOW_MS) is None
    assert dates.find("Nov 22 18:05:09 web app: x", NOW_MS) is not None


def test_a_log_whose_format_changes_is_learnt_anew() -> None:
    dates = Dates(UTC)
    dates.learn(["Nov 22 18:05:09 web app: x"] * SURVEY_LINES)
    line = '{"time":"2026-11-22T18:05:09Z"}'
    assert [dates.find(line, NOW_MS) for _ in range(SURVEY_LINES)] == [None] * SURVEY_LINES
    found = dates.find(line, NOW_MS)
    assert found
    assert found.at_ms == AT_MS


def test_a_cut_json_line_does_not_take_a_nested_key_for_its_own() -> None:
    dates = Dates(UTC)
    dates.learn(['{"headers":{},"ts":1795370709.0}'] * 10)
    assert dates.find('{"headers":{"ts":"2001-01-01T00:00:00Z","a":"' + "x" * 99, NOW_MS) is None


def test_a_json_line_that_was_cut_off_is_passed_over_once_however_many_quotation_marks_it_has() -> None:
    cut_off = '{"ip":"203.0.113.7","uri":"/' + 8_000 * '\\"'
    assert len(places._JSON_TOKEN.findall(cut_off)) == 5
