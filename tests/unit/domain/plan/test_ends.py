"""When bans may end: nothing is asked for too late, and what was taken is not told again."""

from __future__ import annotations

import random

from f2b_worker.domain.plan.ends import SPAN_MS, Ends


def test_each_key_is_told_when_its_end_has_come_and_once() -> None:
    dice = random.Random(5)
    ends, noted, told = Ends(), dict[str, int](), list[str]()
    for number in range(500):
        noted[str(number)] = dice.randrange(100_000)
        ends.note(str(number), noted[str(number)])
    for now_ms in range(0, 100_001, 333):
        told += ends.take_due(now_ms)
        over = {key for key, until_ms in noted.items() if until_ms < now_ms}
        soon = {key for key, until_ms in noted.items() if until_ms < now_ms + SPAN_MS}
        assert over <= set(told) <= soon
        assert len(ends) == len(noted) - len(told)
    assert sorted(told) == sorted(noted)
