"""Reports that can ban nobody are counted by jail and reporter, and said once with what would fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from f2b_worker.domain.jails import FOREVER_MS, MINUTE_MS, Jail, Policy
from f2b_worker.intake.reading import Reader
from f2b_worker.intake.untimely import REPORTERS_MAX
from f2b_worker.ports import Message
from tests.unit.intake.scene import NOW_MS, counted

HOUR_MS = 60 * MINUTE_MS
POLICY = Policy(
    jails={
        "login": Jail("login", bantime_ms=10 * MINUTE_MS),
        "long": Jail("long", bantime_ms=24 * HOUR_MS),
        "ever": Jail("ever", bantime_ms=FOREVER_MS),
    }
)


class Scene:
    """One worker that reads packs of reporters."""

    def __init__(self, *, max_age_ms: int | None = 24 * HOUR_MS) -> None:
        self.reader = Reader(POLICY, max_age_ms)

    def read(
        self, off_ms: int, *, jail: str = "login", reporter: Any = "web-1", waited_ms: int = 0, number: int = 1
    ) -> list[dict[str, Any]]:
        """Read a pack whose times are off by *off_ms* when it is sent, and answer what is said of it."""
        sent_ms = NOW_MS - waited_ms
        pack = {"v": 1, "id": "p", "t0_ms": sent_ms + off_ms, "dt_ms": [0] * number, "jail": [jail]}
        pack |= {"ip": [f"203.0.113.{place}" for place in range(number)], "reporter": reporter}
        with structlog.testing.capture_logs() as said:
            self.reader.read(Message("m", "r", json.dumps(pack), sent_ms), now_ms=NOW_MS)
        return [dict(line) for line in said if line["event"] == "report_cannot_ban"]


def cannot_ban(reason: str, jail: str = "login", reporter: str = "web-1") -> float:
    return counted("cannot_ban", reason=reason, jail=jail, reporter=reporter)


@pytest.mark.parametrize(
    ("off_ms", "reason", "told"),
    [
        (-2 * HOUR_MS, "ban_over", "2 h 0 min behind when it was sent: an offset of +2 h 0 min would fit"),
        (-2 * HOUR_MS - 40_000, "ban_over", "an offset of +2 h 0 min would fit"),
        (-17 * MINUTE_MS, "ban_over", "17 min behind when it was sent: an offset of +15 min would fit"),
        (-20 * MINUTE_MS, "ban_over", "20 min behind when it was sent: an offset of +20 min would fit"),
        (-49 * HOUR_MS, "too_old", "2 d 1 h behind when it was sent: an offset of +2 d 1 h would fit"),
        (HOUR_MS, "in_future", "1 h 0 min ahead of when it was sent: an offset of -1 h 0 min would fit"),
    ],
)
def test_what_can_ban_nobody_is_counted_and_said_with_the_offset_that_would_fit(
    off_ms: int, reason: str, told: str
) -> None:
    before = cannot_ban(reason)
    [said] = Scene().read(off_ms, number=3)
    assert cannot_ban(reason) == before + 3
    assert (said["reason"], said["jail"], said["reporter"]) == (reason, "login", "web-1")
    assert told in said["remedy"]
    assert said["log_level"] == "warning"


@pytest.mark.parametrize(
    ("off_ms", "reason"), [(-HOUR_MS, "ban_over"), (-49 * HOUR_MS, "too_old"), (HOUR_MS, "in_future")]
)
def test_infractions_of_several_reporters_in_one_message_are_counted_by_the_reporter_of_each(
    off_ms: int, reason: str
) -> None:
    at_s = (NOW_MS + off_ms) / 1000
    items = [{"ip": "203.0.113.7", "jail": "login", "at": at_s, "reporter": f"web-{n}"} for n in (1, 2, 2)]
    before = [cannot_ban(reason, reporter=f"web-{n}") for n in (1, 2)]
    with structlog.testing.capture_logs() as said:
        Scene().reader.read(Message("m", "r", json.dumps(items), NOW_MS), now_ms=NOW_MS)
    assert [cannot_ban(reason, reporter=f"web-{n}") for n in (1, 2)] == [before[0] + 1, before[1] + 2]
    assert [line["reporter"] for line in said if line["event"] == "report_cannot_ban"] == ["web-1", "web-2"]


def test_it_is_said_once_of_each_jail_reporter_and_reason() -> None:
    scene = Scene()
    assert [len(scene.read(-HOUR_MS)) for _ in range(3)] == [1, 0, 0]
    assert len(scene.read(-HOUR_MS, reporter="web-2")) == 1
    assert len(scene.read(HOUR_MS)) == 1
    assert len(scene.read(-25 * HOUR_MS, jail="long")) == 1


@pytest.mark.parametrize(
    ("off_ms", "jail"), [(0, "login"), (-9 * MINUTE_MS, "login"), (-2 * HOUR_MS, "long"), (-23 * HOUR_MS, "ever")]
)
def test_what_can_ban_is_not_counted(off_ms: int, jail: str) -> None:
    before = cannot_ban("ban_over", jail)
    assert Scene().read(off_ms, jail=jail) == []
    assert cannot_ban("ban_over", jail) == before


def test_what_waited_in_the_queue_is_not_laid_to_a_clock() -> None:
    [said] = Scene().read(-1000, waited_ms=HOUR_MS)
    assert said["remedy"] == "it was sent in time, and waited in the queue for 1 h 0 min: do the workers keep up?"


@pytest.mark.parametrize("reporter", [None, 7, "", "x" * 65, "a b", "\x1b[2J", ["web-1"]])
def test_what_is_no_name_is_none_and_the_pack_counts_all_the_same(reporter: Any) -> None:
    before = cannot_ban("ban_over", reporter="")
    [said] = Scene().read(-HOUR_MS, reporter=reporter)
    assert said["reporter"] == "(not named)"
    assert cannot_ban("ban_over", reporter="") == before + 1


def test_names_from_outside_cannot_fill_the_worker_or_its_log() -> None:
    scene = Scene()
    before = cannot_ban("ban_over", "(unknown)", "(others)")
    said = [
        line
        for number in range(REPORTERS_MAX + 50)
        for line in scene.read(-HOUR_MS, jail=f"made-up-{number}", reporter=f"made-up-{number}")
    ]
    assert len(said) == REPORTERS_MAX + 1
    assert {line["jail"] for line in said} == {"(unknown)"}
    assert cannot_ban("ban_over", "(unknown)", "(others)") == before + 50
