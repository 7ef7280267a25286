"""What follows an act: who waits for news of it, and what is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.dashboard.asked import Said, Visitor
from f2b_worker.dashboard.content import SHOWN_WITHIN_S, acted
from f2b_worker.errors import Unavailable
from f2b_worker.query.sources import Sources
from f2b_worker.query.view import View

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Form

REFUSED = Said(is_done=False, text="refused")
IN_PART = Said(is_done=False, text="9 banned, 1 refused", has_changed=True)


class Fleet(View):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.generation = 7
        self.asked: list[object] = []

    def expect_news(self) -> None:
        self.asked.append("news")

    def wait_beyond(self, generation: int, within_s: float) -> None:
        self.asked.append((generation, within_s))


class Asked(Sources):
    """Notes how often the dead letters are to be read again."""

    def __init__(self) -> None:
        self.view = self.fleet = Fleet()
        self.forgotten = 0

    def forget_letters(self) -> None:
        self.forgotten += 1


def _act(name: str, becomes: Said) -> Asked:
    sources = Asked()
    acted(name, lambda _visitor, _form: becomes, sources, Visitor(), {})
    return sources


@pytest.mark.parametrize(("becomes", "waits"), [(REFUSED, []), (IN_PART, [(7, SHOWN_WITHIN_S)])])
def test_only_who_changed_something_waits_for_the_news_of_it(becomes: Said, waits: list[object]) -> None:
    assert _act("ban", becomes).fleet.asked == ["news", *waits]


@pytest.mark.parametrize(("name", "times"), [("ban", 0), ("pause", 0), ("retry", 1), ("drop", 1)])
def test_the_dead_letters_which_are_hidden_while_they_are_read_are_read_again_only_after_acts_on_them(
    name: str, times: int
) -> None:
    assert _act(name, IN_PART).forgotten == times


def test_an_act_that_fails_may_have_done_a_part_and_is_looked_for_and_not_waited_for() -> None:
    def fail(_visitor: Visitor, _form: Form) -> Said:
        raise Unavailable("no answer")

    sources = Asked()
    with pytest.raises(Unavailable):
        acted("drop", fail, sources, Visitor(), {})
    assert (sources.fleet.asked, sources.forgotten) == (["news"], 1)
