"""The drawing of a story shows what led to a ban, whatever time that took."""

from __future__ import annotations

from f2b_worker.dashboard.pages.timeline import timeline_of
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, Jail, Window
from f2b_worker.domain.judge.explanations import Remembered, explain
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.query.explanation import Answer

WHO = OffenderId("login", "203.0.113.7/32")
MINUTE_MS = 60_000
NOW_MS = 1_700_000_000_000
JAIL = Jail("login", windows=(Window(3, 10 * MINUTE_MS),))


def answer(offender: Offender, *history: Ban, acts: tuple[Act, ...] = ()) -> Answer:
    remembered = Remembered(WHO, offender, history)
    found = explain(remembered, JAIL, parse_address("203.0.113.7"), allowed=Networks(), now_ms=NOW_MS)
    return Answer(found, True, None, NOW_MS, acts=acts)


def hits(*ago_ms: int) -> tuple[Hit, ...]:
    return tuple(Hit(NOW_MS - each, f"id-{each}") for each in sorted(ago_ms, reverse=True))


def ban(ago_ms: int, until_ms: int, *evidence: Hit, count: int = 1) -> Ban:
    return Ban(NOW_MS - ago_ms, until_ms, count, 1000, evidence=evidence)


def test_nothing_is_drawn_where_nothing_is_remembered() -> None:
    assert timeline_of(answer(Offender())) is None


def test_a_ban_for_ever_leaves_room_for_what_led_to_it() -> None:
    backed = hits(9 * MINUTE_MS, 8 * MINUTE_MS, 7 * MINUTE_MS)
    drawn = timeline_of(answer(Offender(ban=ban(7 * MINUTE_MS, FOREVER_MS, *backed))))

    assert drawn
    marks = [each.at for each in drawn.marks if each.kind == "hit used"]
    (bar,) = [each for each in drawn.bars if each.kind == "ban"]
    (window,) = [each for each in drawn.bars if each.kind == "window"]
    assert len(marks) == 3
    assert marks[-1] - marks[0] > 0.04
    assert bar.at == marks[-1] == window.at + window.width
    assert bar.at + bar.width == 1.0
    assert drawn.told.startswith("3 infractions and 1 ban from ")


def test_of_a_thousand_infractions_the_newest_are_drawn_and_all_are_told() -> None:
    backed = tuple(Hit(NOW_MS - 60_000 + number, f"id-{number:04d}") for number in range(999))
    backed += (Hit(NOW_MS - 50_000, "heavy", weight=5),)
    drawn = timeline_of(answer(Offender(ban=ban(50_000, FOREVER_MS, *backed))))

    assert drawn
    assert len([each for each in drawn.marks if each.kind == "hit used"]) == 500
    assert drawn.told.startswith("1004 infractions and 1 ban from ")
    assert drawn.more == "500 older infractions are not drawn."


def test_a_short_ban_that_is_long_over_is_drawn_in_its_own_time() -> None:
    old = ban(30 * DAY_MS, NOW_MS - 30 * DAY_MS + 5 * MINUTE_MS, *hits(30 * DAY_MS, 30 * DAY_MS + MINUTE_MS))
    drawn = timeline_of(answer(Offender(), old))

    assert drawn
    (bar,) = [each for each in drawn.bars if each.kind == "ban"]
    assert bar.width > 0.3
    assert not [each for each in drawn.marks if each.kind == "now"], "a month later is another time"


def test_infractions_that_no_ban_has_used_stand_in_the_window_that_ends_now() -> None:
    drawn = timeline_of(answer(Offender(frozenset(hits(60_000, 5_000)))))

    assert drawn
    (window,) = [each for each in drawn.bars if each.kind == "window"]
    (now,) = [each for each in drawn.marks if each.kind == "now"]
    assert window.at == 0.0, "it began before the first of them"
    assert abs(window.width - now.at) < 0.001
    assert [each.kind for each in drawn.marks] == ["hit", "hit", "now"]


def test_a_lift_is_a_mark_and_earlier_bans_are_counted_where_they_are_not_drawn() -> None:
    older = ban(90 * DAY_MS, NOW_MS - 89 * DAY_MS)
    lifted = ban(MINUTE_MS, NOW_MS - 30_000, *hits(MINUTE_MS, 70_000, 80_000), count=2)
    act = Act("a", NOW_MS - 30_000, "ann", Verb.UNBAN, (WHO.key,))
    drawn = timeline_of(answer(Offender(ban=lifted), older, acts=(act,)))

    assert drawn
    (lift,) = [each for each in drawn.marks if each.kind == "lift"]
    (bar,) = [each for each in drawn.bars if each.kind == "ban"]
    assert abs(lift.at - (bar.at + bar.width)) < 0.001
    assert drawn.more == "1 earlier ban is in the table only."


def test_all_that_is_drawn_lies_inside() -> None:
    for ago in ((0,), (1, 2), (DAY_MS, 0), (10**10, 5)):
        backed = hits(*ago)
        for until_ms in (NOW_MS, NOW_MS + 1, NOW_MS + 400 * DAY_MS, FOREVER_MS):
            drawn = timeline_of(answer(Offender(frozenset(backed), ban(ago[-1], until_ms, *backed))))
            assert drawn
            assert all(
                0 <= each.at <= 1 and each.width > 0 and each.at + each.width <= 1.004 for each in drawn.bars
            )
            assert all(0 <= each.at <= 1 for each in (*drawn.marks, *drawn.ticks))
