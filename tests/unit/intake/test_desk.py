"""What lies on the desk, counted as it comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from f2b_worker.domain.judge.infractions import Reason
from f2b_worker.domain.judge.verdicts import Hit, OffenderId
from f2b_worker.intake.desk import Desk
from f2b_worker.intake.known_bans import KnownBans
from f2b_worker.intake.reading import Contents
from f2b_worker.ports import Message

OFFENDERS = [OffenderId("login", f"203.0.113.{n}/32") for n in range(4)]
ACTS = ["take", "finish", "give up", "leave", "feed", "clear"]


def act(desk: Desk, what: str, number: int, who: OffenderId) -> None:
    if what == "take":
        hits = {each: [Hit(number, f"{number}-{n}") for n in range(2)] for each in (who, OFFENDERS[0])}
        desk.take(Message(f"m{number}", "r", "{}", 0), Contents(hits, ()), KnownBans(), now_s=0.0)
    elif what == "clear":
        desk.clear()
    elif who not in desk.piles:
        return
    elif what == "feed":
        desk.feed(who, {OFFENDERS[3]: [Hit(number, "fed")]})
        desk.lay_out_fed()
    elif what == "finish":
        desk.finish(who)
    elif what == "leave":
        desk.leave([who])
    else:
        desk.give_up(who, Reason.LEDGER_REFUSED, "too large")


@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(OFFENDERS)), max_size=30))
def test_as_many_infractions_wait_as_lie_on_the_piles_whatever_came_and_went(
    acts: list[tuple[str, OffenderId]],
) -> None:
    desk = Desk()
    for number, (what, who) in enumerate(acts):
        act(desk, what, number, who)
        assert desk.infractions == sum(len(pile.hits) for pile in desk.piles.values())
