"""The best of many, kept by differences."""

from __future__ import annotations

import random

from f2b_worker.domain.plan.ranking import Rank, Ranking


def test_it_agrees_with_sorting_after_any_changes() -> None:
    dice = random.Random(3)
    ranking, ranks, room = Ranking(10), dict[str, Rank](), 10
    for _ in range(5000):
        entry = str(dice.randrange(40))
        if dice.random() < 0.6:
            ranks[entry] = 100 * dice.randrange(25) + int(entry)
            ranking.put(entry, ranks[entry])
        elif dice.random() < 0.8:
            ranks.pop(entry, None)
            ranking.drop(entry)
        else:
            room = dice.randrange(-1, 25)
            ranking.resize(room)
        best = sorted(ranks, key=ranks.__getitem__, reverse=True)[: max(0, room)]
        assert ranking.inside == {each: ranks[each] for each in best}
        assert ranking.outside == {each: ranks[each] for each in ranks.keys() - best}


def test_all_at_once_are_ranked_as_one_by_one() -> None:
    ranks = {str(number): 1000 * (number % 7) + number for number in range(100)}
    at_once, one_by_one = Ranking(30), Ranking(30)
    at_once.fill(ranks)
    for entry, rank in ranks.items():
        one_by_one.put(entry, rank)
    assert at_once.inside == one_by_one.inside
    at_once.put("new", 7000)
    assert at_once.take_changes() == {"new", min(one_by_one.inside, key=one_by_one.inside.__getitem__)}


def test_thousands_of_changes_do_not_pile_up() -> None:
    ranking = Ranking(1)
    for number in range(10_000):
        ranking.put("a", number)
        ranking.put("b", -1)
    assert len(ranking._worst or []) + len(ranking._best) < 5000
