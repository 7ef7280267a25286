"""What a worker tells of its verdicts: by jail, how long they took, and how its messages come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from f2b_worker.domain.jails import FOREVER_MS, MINUTE_MS, Jail, Policy, Window
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.intake.arriving import MINUTE_S
from f2b_worker.intake.counting import LOOK_EVERY_MS, Failing
from f2b_worker.observe.jail_metrics import jails
from tests.observed import Since
from tests.unit.intake.scene import BAD_IP, GOOD_IP, OTHER_IP, POLICY, Scene, body, counted, items

if TYPE_CHECKING:
    from collections.abc import Iterator

VERDICT, SIZES = "f2b_report_to_verdict_seconds", "f2b_batch_infractions"


@pytest.fixture
def scene() -> Iterator[Scene]:
    jails.use(POLICY)
    yield Scene()
    jails.use(Policy())


def failing(jail: str = "default") -> float | None:
    return REGISTRY.get_sample_value("f2b_jail_failed_current", {"jail": jail})


def test_infractions_and_bans_are_counted_by_jail_and_all_unknown_jails_are_one(scene: Scene) -> None:
    names = ("default", "slow", "watch", "other", "invented")
    of = [(kind, jail) for kind in ("jail_failed", "jail_banned") for jail in names]
    before = {each: counted(each[0], jail=each[1]) for each in of}
    judged = counted("infractions_judged")
    several = items(OTHER_IP, 5, jail="invented") + items(OTHER_IP, 6, jail="elsewhere")
    scene.work(body(BAD_IP, 5), body(GOOD_IP, 3, jail="slow"), body(BAD_IP, 5, jail="watch"), json.dumps(several))
    now = {each: counted(each[0], jail=each[1]) - before[each] for each in of}
    # Nobody is banned in a jail that only observes.
    assert [now["jail_failed", each] for each in names] == [5, 3, 5, 11, 0]
    assert [now["jail_banned", each] for each in names] == [1, 0, 0, 2, 0]
    assert counted("infractions_judged") - judged == 24


def test_a_verdict_is_measured_once_an_offender_and_none_that_falls_into_a_known_ban_is(scene: Scene) -> None:
    since = Since(VERDICT)
    scene.work(json.dumps(items(BAD_IP, 5) + items(GOOD_IP, 2)))
    assert since(VERDICT).number == 2
    assert since(VERDICT).total == pytest.approx(5 + 2, abs=0.5)  # by the oldest of each
    again = [{"ip": BAD_IP, "at": scene.clock.now_ms() / 1000, "id": f"again-{number}"} for number in range(3)]
    judged = counted("infractions_judged")
    scene.work(json.dumps(again))
    assert counted("infractions_judged") - judged == 3
    assert since(VERDICT).number == 2


def test_a_verdict_of_a_reporter_whose_clock_is_ahead_took_no_time(scene: Scene) -> None:
    since = Since(VERDICT)
    scene.work(json.dumps({"ip": GOOD_IP, "at": scene.clock.now_ms() / 1000 + 60, "id": "ahead"}))
    assert since(VERDICT) == (1, 0)


def test_who_failed_within_findtime_and_is_not_banned_is_shown(scene: Scene) -> None:
    scene.clock.advance(LOOK_EVERY_MS / 1000)
    scene.work(body(BAD_IP, 5), body(GOOD_IP, 2), body(OTHER_IP, 2), body(OTHER_IP, 2, jail="slow"))
    scene.clock.advance(LOOK_EVERY_MS / 1000)
    scene.work("[]")
    assert (failing(), failing("slow"), failing("watch"), failing("invented")) == (2, 1, 0, None)
    scene.clock.advance(11 * 60)
    scene.work("[]")
    assert (failing(), failing("slow")) == (0, 0)


def test_of_more_failing_addresses_than_are_remembered_the_latest_half_is() -> None:
    found = Failing(Policy(), most=4)
    for number in (0, 1, 2, 3, 0, 4):  # the one that fails again is among the latest
        found.put(OffenderId("default", str(number)), number, is_failing=True)
    assert found.by_jail(4) == {"default": 3}
    for number in (3, 0, 4):
        assert found.by_jail(4)["default"] > 0
        found.put(OffenderId("default", str(number)), number, is_failing=False)
    assert found.by_jail(4) == {}


def test_the_sizes_of_messages_are_observed_and_the_oldest_age_is_shown_for_a_minute(scene: Scene) -> None:
    def age_s() -> float | None:
        return REGISTRY.get_sample_value("f2b_queue_oldest_age_seconds")

    since = Since(SIZES)
    scene.clock.advance(200)
    scene.inbox.put(body(GOOD_IP, 3), sent_at_ms=scene.clock.now_ms() - 90_000)
    scene.inbox.put(body(GOOD_IP, 4), sent_at_ms=scene.clock.now_ms() - 1_000)
    scene.work("no JSON", body("127.0.0.1", 2))
    assert since(SIZES) == (4, 9)  # what cannot be read has none, and what is of no account counts
    shown = age_s()
    assert shown is not None
    assert shown >= 90
    assert scene.worker.oldest_ms == 1000 * shown
    for _ in range(3):
        scene.clock.advance(MINUTE_S + 1)
        scene.inbox.put(body(GOOD_IP, 1), sent_at_ms=scene.clock.now_ms())
        scene.work()
    assert age_s() == scene.worker.oldest_ms == 0


def test_the_jails_of_the_file_are_shown_as_fail2bans_exporter_does_and_gone_after_a_reload_without_them() -> None:
    def of(jail: str) -> list[float | None]:
        names = ("ban_time", "find_time", "max_retries")
        return [REGISTRY.get_sample_value(f"f2b_config_jail_{name}", {"jail": jail}) for name in names]

    jails.use(Policy(jails={"ssh": Jail("ssh", bantime_ms=90_000), "ever": Jail("ever", bantime_ms=FOREVER_MS)}))
    assert REGISTRY.get_sample_value("f2b_jail_count") == 3
    assert (of("ssh"), of("ever"), of("default")) == ([90, 600, 5], [-1, 600, 5], [600, 600, 5])
    assert REGISTRY.get_sample_value("f2b_jail_failed_total", {"jail": "ssh"}) is not None
    jails.use(Policy(jails={"ever": Jail("ever", windows=(Window(3, MINUTE_MS), Window(9, 60 * MINUTE_MS)))}))
    assert REGISTRY.get_sample_value("f2b_jail_count") == 2
    assert (of("ssh"), of("ever")) == ([None] * 3, [600, 60, 3])
    assert jails.label("ssh") == "other"
    jails.use(Policy())
