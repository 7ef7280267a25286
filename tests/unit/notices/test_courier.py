"""A courier tells its target everything once, in groups, and goes on where another one ended."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.config.notices import EventBridgeAddress, TargetSettings
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Invalid, Unavailable
from f2b_worker.notices.courier import Courier
from f2b_worker.notices.delivery import WITHIN_S, Delivery
from f2b_worker.notices.wording import Wording
from f2b_worker.ports.notices import ConditionsSeen
from f2b_worker.testing import FakeClock, MemoryLedger
from f2b_worker.testing.notices import KeptTarget, MemoryNews, MemoryPlaces

if TYPE_CHECKING:
    from f2b_worker.ports.notices import Notice

MINUTE = 60_000


class Scene:
    """One target of a fleet whose bans are in a list."""

    def __init__(self, **settings: object) -> None:
        usual = {"group_wait_ms": 30_000, "group_max": 500, "on": ("ban", "unban", "surge", "lag")}
        self.settings = TargetSettings("ops", "eventbridge", EventBridgeAddress("default"), **(usual | settings))  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.changes: list[Change] = []
        self.places = MemoryPlaces()
        self.ledger = MemoryLedger(self.clock)
        self.target = KeptTarget()
        self.counted: list[tuple[str, str]] = []
        self.seen: ConditionsSeen | None = None
        self.stop = threading.Event()
        self.courier = self.another()
        self.courier.tick(self.stop)

    def another(self) -> Courier:
        return Courier(
            self.settings,
            source=MemoryNews(self.changes),
            places=self.places,
            book=self.ledger,
            conditions=lambda: self.seen,
            delivery=Delivery("ops", self.target, lambda *each: self.counted.append(each), self.clock),
            wording=Wording(self.settings, "shop"),
            clock=self.clock,
        )

    def ban(self, number: int, jail: str = "login", length_ms: int = 10 * MINUTE) -> Change:
        who = OffenderId(jail, f"203.0.{number // 256}.{number % 256}/32")
        now_ms = self.clock.now_ms()
        self.changes.append(Change(who, Ban(now_ms, now_ms + length_ms, 1, length_ms), 1))
        return self.changes[-1]

    def extend(self, change: Change) -> None:
        ban = replace(change.ban, until_ms=change.ban.until_ms + MINUTE, extended=1)
        self.changes.append(change._replace(ban=ban, revision=2))

    def pass_s(self, seconds: float, courier: Courier | None = None) -> None:
        for _ in range(int(seconds / 5)):
            self.clock.advance(5)
            (courier or self.courier).tick(self.stop)

    def see(self, **texts: str) -> None:
        self.seen = ConditionsSeen(self.clock.now_ms(), texts)

    def subjects(self) -> list[str]:
        return [each.subject for each in self.target.taken]


def test_the_bans_of_a_time_are_one_message_and_nothing_is_told_twice() -> None:
    scene = Scene()
    first = scene.ban(1)
    scene.pass_s(10)
    scene.ban(2, "admin")
    scene.extend(first)
    assert not scene.target.taken
    scene.pass_s(30)
    (notice,) = scene.target.taken
    assert notice.subject == "shop: 2 bans: login 1, admin 1"
    assert [each["ip"] for each in notice.detail["bans"]] == ["203.0.0.1", "203.0.0.2"]
    scene.pass_s(120)
    assert len(scene.target.taken) == 1
    assert scene.counted == [("ops", "sent")]


def test_five_hundred_bans_are_one_message_that_lists_them_and_more_are_one_that_counts_them() -> None:
    scene = Scene()
    for number in range(500):
        scene.ban(number)
    scene.pass_s(40)
    for number in range(500, 2000):
        scene.ban(number)
    scene.pass_s(40)
    listed, counted = scene.target.taken
    assert (listed.detail["count"], len(listed.detail["bans"])) == (500, 500)
    assert (counted.detail["count"], len(counted.detail["bans"])) == (1500, 10)
    assert counted.subject == "shop: 1,500 bans: login 1,500"
    assert "… and 1,490 more" in counted.text
    assert "most from: 203.0.0.0/16 1,500" in counted.text


def test_what_was_before_a_target_was_new_is_not_told() -> None:
    scene = Scene()
    scene.ban(1)
    scene.pass_s(40)
    later = Scene()
    later.changes.extend(scene.changes)
    later.places.places.clear()
    new = later.another()
    later.pass_s(60, new)
    assert not later.target.taken


def test_who_takes_over_tells_what_was_not_told_and_nothing_else() -> None:
    scene = Scene()
    told = scene.ban(1)
    scene.pass_s(40)
    waiting = scene.ban(2)
    scene.pass_s(10)  # in a group that was never sent
    heir = scene.another()
    scene.extend(told)
    scene.extend(waiting)
    scene.ban(3)
    scene.pass_s(60, heir)
    assert [each["ip"] for each in scene.target.taken[1].detail["bans"]] == ["203.0.0.2", "203.0.0.3"]
    assert len(scene.target.taken) == 2


def test_who_dies_between_sending_and_noting_it_has_one_group_told_again() -> None:
    scene = Scene()
    scene.ban(1)
    places = dict(scene.places.places)
    scene.pass_s(40)
    scene.places.places.update(places)
    scene.pass_s(60, scene.another())
    first, second = scene.target.taken
    assert first.detail["bans"] == second.detail["bans"]
    assert first.id != second.id


def test_ends_and_lifts_are_told_to_whom_wants_them() -> None:
    scene = Scene(on=("unban",))
    scene.ban(1, length_ms=2 * MINUTE)
    scene.pass_s(200)
    assert scene.subjects() == ["shop: ban of 203.0.0.1 in login ended"]


def test_a_jail_that_nobody_asked_for_is_not_told() -> None:
    scene = Scene(jails=("admin",))
    scene.ban(1)
    scene.ban(2, "admin")
    scene.pass_s(40)
    assert scene.subjects() == ["shop: 203.0.0.2 banned in admin for 10m"]


def test_what_is_not_grave_enough_is_not_told() -> None:
    scene = Scene(severity="critical")
    scene.ban(1)
    scene.see(lag="bans wait", surge="bans are held back")
    scene.pass_s(60)
    assert scene.subjects() == ["shop: bans are held back"]


def test_a_condition_is_told_when_it_begins_and_when_it_ends_each_once_whoever_tells() -> None:
    scene = Scene()
    scene.see(surge="us-east-1: bans are held back")
    scene.pass_s(30)
    scene.see(surge="us-east-1: bans are still held back")
    scene.pass_s(30)
    heir = scene.another()
    scene.see(surge="us-east-1: bans are still held back")
    scene.pass_s(30, heir)
    scene.see()
    scene.pass_s(30, heir)
    scene.see(surge="it comes and goes")
    scene.pass_s(30, heir)
    for _ in range(3):
        scene.see()
        scene.pass_s(30, heir)
    assert scene.subjects() == ["shop: us-east-1: bans are held back", "shop: surge is over"]
    assert [each.severity for each in scene.target.taken] == ["critical", "critical"]


def test_what_begins_and_ends_in_one_region_is_told_while_the_same_holds_in_another() -> None:
    scene = Scene()
    first, second = "surge eu-west-1", "surge us-east-1"
    scene.see(**{first: "eu-west-1: bans are held back"})
    scene.pass_s(5)
    scene.see(**{first: "eu-west-1: bans are held back", second: "us-east-1: bans are held back"})
    scene.pass_s(5)
    for _ in range(3):
        scene.see(**{second: "us-east-1: bans are held back"})
        scene.pass_s(5, scene.another())
        scene.pass_s(5)
    assert scene.subjects() == [
        "shop: eu-west-1: bans are held back",
        "shop: us-east-1: bans are held back",
        "shop: eu-west-1: surge is over",
    ]
    assert [(each.detail["where"], each.detail["ended"]) for each in scene.target.taken] == [
        ("eu-west-1", False),
        ("us-east-1", False),
        ("eu-west-1", True),
    ]


def test_what_an_older_f2b_told_without_saying_where_is_not_told_again_and_its_end_is_told() -> None:
    scene = Scene()
    scene.places.places["ops"] = replace(scene.places.places["ops"], conditions=("surge", "lag"))
    heir = scene.another()
    name = "surge eu-west-1"
    for _ in range(3):
        scene.see(**{name: "eu-west-1: bans are held back"})
        scene.pass_s(5, heir)
    for _ in range(3):
        scene.see()
        scene.pass_s(5, heir)
    assert scene.subjects() == ["shop: lag is over", "shop: eu-west-1: surge is over"]
    assert scene.places.places["ops"].conditions == ()


def test_a_condition_that_is_told_does_not_count_bans_as_told_that_wait() -> None:
    scene = Scene()
    scene.ban(1)
    scene.pass_s(10)
    scene.see(surge="bans are held back")
    scene.pass_s(5)
    scene.pass_s(60, scene.another())
    assert scene.subjects() == ["shop: bans are held back", "shop: 203.0.0.1 banned in login for 10m"]


def test_a_failure_is_tried_again_with_the_same_id_and_what_came_meanwhile_follows() -> None:
    scene = Scene()
    scene.target.failures += [Unavailable("away"), Unavailable("away")]
    scene.ban(1)
    scene.pass_s(40)
    scene.ban(2)
    scene.pass_s(60)
    assert len(set(scene.target.tried[:3])) == 1
    assert [each.detail["count"] for each in scene.target.taken] == [1, 1]
    assert scene.counted == [("ops", "tried_again")] * 2 + [("ops", "sent")] * 2


def test_a_target_that_is_away_for_too_long_loses_that_notice_by_count_and_hears_the_next() -> None:
    scene = Scene()
    scene.target.failures += [Unavailable("away")] * 40
    scene.ban(1)
    began_s = scene.clock.monotonic_s()
    while ("ops", "given_up") not in scene.counted:
        scene.pass_s(5)
    assert WITHIN_S - 61 <= scene.clock.monotonic_s() - began_s <= WITHIN_S + 61
    scene.target.failures.clear()
    scene.ban(2)
    scene.pass_s(60)
    told = [each.detail["bans"][0]["ip"] for each in scene.target.taken if each.kind == "ban"]
    assert told == ["203.0.0.2"]


def given_up(scene: Scene, failures: int = 40) -> None:
    """Let the target be away until the courier has given up what it tells."""
    scene.target.failures += [Unavailable("away")] * failures
    scene.counted.clear()
    while ("ops", "given_up") not in scene.counted:
        scene.pass_s(5)
    scene.target.failures.clear()


def test_a_condition_that_was_given_up_and_still_holds_is_told_once_the_target_is_back() -> None:
    scene = Scene()
    scene.see(surge="bans are held back")
    given_up(scene)
    assert not scene.target.taken
    for _ in range(3):
        scene.see(surge="bans are still held back")
        scene.pass_s(30)
    assert scene.subjects() == ["shop: bans are still held back"]
    assert scene.places.places["ops"].conditions == ("surge",)


def test_the_end_of_a_condition_that_was_given_up_is_told_once_the_target_is_back() -> None:
    scene = Scene()
    scene.see(surge="bans are held back")
    scene.pass_s(5)
    scene.see()
    scene.pass_s(5)
    scene.see()
    given_up(scene)
    for _ in range(3):
        scene.see()
        scene.pass_s(30)
    assert scene.subjects() == ["shop: bans are held back", "shop: surge is over"]


def test_a_condition_that_is_refused_is_tried_again_a_quarter_of_an_hour_later_and_holds_up_no_other() -> None:
    scene = Scene()
    scene.target.failures.append(Invalid("too large"))
    for _ in range(29):
        scene.see(surge="bans are held back", lag="bans wait")
        scene.pass_s(30)
    assert scene.subjects() == ["shop: bans wait"]
    for _ in range(3):
        scene.see(surge="bans are held back", lag="bans wait")
        scene.pass_s(30)
    assert scene.subjects() == ["shop: bans wait", "shop: bans are held back"]
    assert scene.counted == [("ops", "refused"), ("ops", "sent"), ("ops", "sent")]


def test_while_a_target_is_away_the_conditions_after_the_first_do_not_keep_bans_from_being_told() -> None:
    scene = Scene()
    scene.ban(1)
    scene.pass_s(10)
    scene.see(surge="bans are held back", lag="bans wait")
    given_up(scene, 25)  # the first condition takes 20 of them
    scene.pass_s(30)
    assert scene.subjects()[0] == "shop: 203.0.0.1 banned in login for 10m"


def test_a_notice_that_will_never_be_taken_is_not_tried_again() -> None:
    scene = Scene()
    scene.target.failures.append(Invalid("too large"))
    scene.ban(1)
    scene.pass_s(60)
    assert scene.counted == [("ops", "refused")]
    assert len(scene.target.tried) == 1


def test_after_the_order_to_stop_nothing_is_sent_or_noted() -> None:
    scene = Scene()
    before = dict(scene.places.places)
    scene.ban(1)
    scene.pass_s(20)
    scene.stop.set()
    scene.pass_s(60)
    assert not scene.target.taken
    assert scene.places.places == before


def test_whoever_ends_lets_go_of_the_target() -> None:
    scene = Scene()
    scene.stop.set()
    scene.courier.run(scene.stop)
    assert scene.target.is_closed


def test_a_target_that_only_hears_of_conditions_hears_of_later_bans_once_it_is_to() -> None:
    scene = Scene(on=("surge",))
    scene.ban(1)
    scene.see(surge="bans are held back")
    scene.pass_s(60)
    scene.settings = replace(scene.settings, on=("surge", "ban"))
    changed = scene.another()
    changed.tick(scene.stop)
    scene.ban(2)
    scene.pass_s(60, changed)
    assert scene.subjects() == ["shop: bans are held back", "shop: 203.0.0.2 banned in login for 10m"]


def test_the_place_moves_now_and_then_where_there_is_nothing_to_tell() -> None:
    scene = Scene(on=("ban",), jails=("admin",))
    scene.ban(1)
    scene.pass_s(30)
    assert scene.places.places["ops"].number == 0
    scene.pass_s(700)
    assert scene.places.places["ops"].number == 1


def banned_with_evidence(scene: Scene) -> None:
    change = scene.ban(1)
    evidence = tuple(Hit(change.ban.start_ms - back, f"q{back}@web-1|GET /{back}") for back in (2, 1, 0))
    ban = replace(change.ban, evidence=evidence)
    scene.ledger.commit({change.who: Decision(Offender(), ban)})


def test_a_notice_says_of_how_many_failures_and_with_which_notes() -> None:
    scene = Scene()
    banned_with_evidence(scene)
    scene.pass_s(60)
    (notice,) = scene.target.taken
    (ban,) = notice.detail["bans"]
    assert (ban["failures"], ban["matches"]) == (3, "GET /2\nGET /1\nGET /0")
    assert "(ban 1, 3 failures, since " in notice.text


@pytest.mark.parametrize("template", [None, "{{ matches }} {{ bans[0].matches }}"])
def test_a_note_is_no_link_and_no_call_to_everybody_for_people_and_as_it_was_for_programs(
    template: str | None,
) -> None:
    scene = Scene(text=template)
    change = scene.ban(1)
    note = "<!channel> [x](http://e) @Everyone a@all.org"
    ban = replace(change.ban, evidence=(Hit(change.ban.start_ms, f"q@web-1|{note}"),))
    scene.ledger.commit({change.who: Decision(Offender(), ban)})
    notice = text_of(scene)
    assert "\u2039!channel\u203a [x] (http://e) @ Everyone a@ all.org" in notice.text
    assert note not in notice.text
    assert notice.detail["bans"][0]["matches"] == note


def text_of(scene: Scene) -> Notice:
    scene.pass_s(60)
    (notice,) = scene.target.taken
    return notice


def test_templates_say_it_in_their_words_with_fail2bans_names() -> None:
    scene = Scene(
        subject="{{ fleet }}: {{ count }} new",
        text="{% for ban in bans %}{{ ban.ip }}/{{ ban.failures }}/{{ ban.bantime }}/{{ ban.bancount }}"
        "{% endfor %} {{ jail }} {{ matches }}",
    )
    banned_with_evidence(scene)
    notice = text_of(scene)
    assert notice.subject == "shop: 1 new"
    assert notice.text == "203.0.0.1/3/600/1 login GET /2\nGET /1\nGET /0"


@pytest.mark.parametrize("template", ["{{ bans[1].ip }}", "{{ 1 / (count - 1) }}"])
def test_a_template_that_fails_costs_its_words_and_not_the_notice(template: str) -> None:
    scene = Scene(text=template)
    scene.ban(1)
    assert text_of(scene).text.startswith("203.0.0.1 banned in login for 10m")


@pytest.mark.parametrize(
    ("key", "start_ms"), [("junk", 0), ("", 0), ("\ud800", 0), ("203.0.113.7/32", FOREVER_MS)]
)
def test_a_ban_that_no_judge_writes_is_told_like_any_other_and_holds_up_nothing(key: str, start_ms: int) -> None:
    scene = Scene()
    scene.changes.append(Change(OffenderId("login", key), Ban(start_ms, FOREVER_MS, 1, 0), 1))
    scene.pass_s(60)
    scene.see(surge="bans are held back")
    scene.pass_s(5)
    assert [each.kind for each in scene.target.taken] == ["ban", "surge"]
    assert scene.target.taken[0].detail["bans"][0]["ip"] == key.removesuffix("/32")


def test_a_subject_is_one_line_whatever_is_in_it() -> None:
    scene = Scene(subject="a\nb\n{{ ip }}")
    scene.ban(1)
    assert text_of(scene).subject == "a b 203.0.0.1"
