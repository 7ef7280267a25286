"""What people read about the enforcer: seldom the same line twice, and never a line for each ban."""

from __future__ import annotations

from structlog.testing import capture_logs

from f2b_worker.enforcer.alarms import Alarms
from f2b_worker.errors import Missing, Throttled, Unavailable
from f2b_worker.testing import FakeClock
from tests.unit.enforcer.scene import A, Scene


def test_an_alarm_about_the_same_thing_rings_at_most_once_a_minute() -> None:
    clock = FakeClock()
    alarms = Alarms(clock)
    with capture_logs() as lines:
        for _ in range(180):
            alarms.ring("bans_left_out", "block", bans=7)
            alarms.ring("bans_left_out", "captcha", bans=7)
            clock.advance(1)
    assert len(lines) == 6


def test_failures_of_the_same_kind_are_one_line_a_minute_and_others_are_seen() -> None:
    alarms = Alarms(FakeClock())
    with capture_logs() as lines:
        for _ in range(10):
            alarms.complain("f2b-ipv4", Unavailable("no answer"))
            alarms.complain("f2b-ipv4", Throttled("rate exceeded"))
    assert [line["kind"] for line in lines] == ["Unavailable", "Throttled"]


def test_an_attack_of_a_thousand_addresses_is_a_line_for_each_update() -> None:
    scene = Scene()
    scene.pass_time(5)
    scene.ban(*(f"198.18.{number // 250}.{number % 250}/32" for number in range(1000)))
    with capture_logs() as lines:
        scene.pass_time(20)
    assert [(line["event"], line["added"]) for line in lines] == [("ip_set_updated", 1000)]


def test_a_deleted_set_is_named_together_with_what_makes_it_again() -> None:
    scene = Scene()
    scene.settle(A)
    scene.v4.fails = [Missing("IP set f2b does not exist")]
    scene.ban("198.18.0.1/32")
    with capture_logs() as lines:
        scene.pass_time(3)
    (line,) = [line for line in lines if line["event"] == "ip_set_deleted"]
    assert line["about"] == scene.v4.name
    assert "f2b provision" in line["remedy"]


def test_a_surge_is_named_together_with_what_releases_it() -> None:
    scene = Scene(limit=3)
    scene.ban(*(f"198.18.0.{number}/32" for number in range(9)))
    with capture_logs() as lines:
        scene.pass_time(130)
    surges = [line for line in lines if line["event"] == "surge"]
    assert len(surges) == 3
    assert surges[0]["held_back"] == 9
    assert "f2b release" in surges[0]["remedy"]
