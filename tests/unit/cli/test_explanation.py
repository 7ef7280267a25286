"""What an explanation says of each infraction."""

from __future__ import annotations

from f2b_worker.cli.explanation import as_lines
from f2b_worker.domain.jails import Window
from f2b_worker.domain.judge.explanations import Explanation, WindowCount
from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId
from f2b_worker.query.explanation import Answer, as_object
from f2b_worker.testing import FakeClock

NOW_MS = FakeClock().now_ms()  # 2023-11-14 22:13:20Z
BY = ["", "@web-1", "@web-2"]


def test_who_reported_each_infraction_of_a_ban_is_told() -> None:
    hits = tuple(Hit(NOW_MS + n * 1000, f"i{n}{by}") for n, by in enumerate(BY))
    ban = Ban(NOW_MS, NOW_MS + 600_000, 1, 600_000, evidence=hits)
    counts = (WindowCount(Window(), ()),)
    found = Explanation(OffenderId("login", "203.0.113.7/32"), ban, None, None, counts, None, None, ())
    answer = Answer(found, configured=True, holders=None, now_ms=NOW_MS)
    assert as_lines(answer)[3:] == [
        "    evidence   2023-11-14 22:13:20Z  i0",
        "               2023-11-14 22:13:21Z  i1, from web-1",
        "               2023-11-14 22:13:22Z  i2, from web-2",
    ]
    told = as_object(answer)["ban"]["evidence"]
    assert [(each["id"], each["reporter"]) for each in told] == [("i0", None), ("i1", "web-1"), ("i2", "web-2")]


def test_a_past_ban_is_told_by_what_its_infractions_count_for() -> None:
    past = Ban(NOW_MS - 1000, NOW_MS - 500, 1, 500, evidence=(Hit(NOW_MS - 1000, "heavy", weight=5),))
    counts = (WindowCount(Window(), ()),)
    found = Explanation(OffenderId("login", "203.0.113.7/32"), None, None, None, counts, None, None, (past,))
    lines = as_lines(Answer(found, configured=True, holders=None, now_ms=NOW_MS))

    (history,) = [each for each in lines if each.startswith("    history")]
    assert history.endswith(", 5 infractions")
