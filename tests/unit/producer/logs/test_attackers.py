"""An attacker who writes dates into URL, user name and user agent is found at the time at which he attacks."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from f2b_producer.logs import Found, LogFilter

BERLIN = ZoneInfo("Europe/Berlin")
IP = "203.0.113.7"
MOMENTS = {
    "an afternoon": datetime(2026, 11, 22, 17, 5, 9, tzinfo=UTC),
    "the hour that comes twice, first": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    "the hour that comes twice, again": datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    "after the hour that is left out": datetime(2027, 3, 28, 1, 0, 1, tzinfo=UTC),
    "the last second of a year": datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC),
    "the first second of a year": datetime(2026, 12, 31, 23, 0, 0, tzinfo=UTC),
}


def fakes(at: datetime) -> list[str]:
    """Return dates long ago, and an hour off, in the form of the log itself and in others."""
    off = (at - timedelta(hours=1)).astimezone(BERLIN)
    return [f"{each:%d/%b/%Y:%H:%M:%S %z} [{each:%d/%b/%Y:%H:%M:%S %z}] {each.isoformat()} {each:%b %d %H:%M:%S}"
            for each in (off, datetime(2001, 1, 1, tzinfo=UTC))]  # fmt: skip


def syslog(at: datetime, fake: str) -> str:
    return f"{at:%b %d %H:%M:%S} web app[7]: user={fake} agent={fake} url=/{fake} by {IP}"


def access_log(at: datetime, fake: str) -> str:
    return f'{IP} - {fake} [{at:%d/%b/%Y:%H:%M:%S %z}] "GET /{fake} HTTP/1.1" 401 1 "-" "{fake}" by {IP}'


def docker(at: datetime, fake: str) -> str:
    line = f'by {IP} - {fake} "GET /{fake} HTTP/1.1" 401 1 "-" "{fake}"\n'
    return json.dumps({"log": line, "stream": "stdout", "time": at.astimezone(UTC).isoformat()})


def nginx_json(at: datetime, fake: str) -> str:
    said = {"ip": f"by {IP}", "user": fake, "request": f"GET /{fake}", "agent": fake}
    return json.dumps(said | {"time_local": f"{at:%d/%b/%Y:%H:%M:%S %z}"})


def caddy(at: datetime, fake: str) -> str:
    request = {
        "client": f"by {IP}",
        "uri": f"/{fake}",
        "headers": {"User-Agent": [fake], "ts": fake, "Time": [fake]},
    }
    return json.dumps({"level": "info", "ts": at.timestamp(), "request": request, "user_id": fake, "status": 401})


@pytest.mark.parametrize(
    "write", [syslog, access_log, docker, nginx_json, caddy], ids=lambda write: write.__name__
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_he_is_found_at_the_time_at_which_he_attacks(moment: str, write: object) -> None:
    assert callable(write)
    at = MOMENTS[moment].astimezone(BERLIN)
    at_ms = int(at.timestamp() * 1000)
    warnings: list[str] = []
    log_filter = LogFilter(["by <ADDR>"], zone=BERLIN, tell=warnings.append)
    lines = [write(at, fake) for fake in fakes(at)] * 3
    found = [log_filter.find(line, now_ms=at_ms + 700, since_ms=at_ms - 500) for line in lines]
    assert found == [Found(IP, at_ms)] * len(lines)
    assert warnings == []


@pytest.mark.parametrize(
    "write", [syslog, access_log, docker, nginx_json, caddy], ids=lambda write: write.__name__
)
def test_whatever_the_zone_of_the_log_he_is_found_now(write: object) -> None:
    assert callable(write)
    now = MOMENTS["an afternoon"]
    now_ms = int(now.timestamp() * 1000)
    log_filter = LogFilter(["by <ADDR>"], zone=UTC)
    wrong = (now + timedelta(hours=5)).replace(tzinfo=UTC)
    found = [log_filter.find(write(wrong, fake), now_ms=now_ms, since_ms=now_ms - 500) for fake in fakes(now)]
    assert found == [Found(IP, now_ms)] * 2
    assert log_filter.counts.off_clock == 2
