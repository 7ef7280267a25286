"""What became of bans is told exactly, whatever comes again or late, as a plain reading of the same life says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.acts.lifting import is_running, lifted
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.ban_log.events import BanEvents, EventKind
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN_MS = 1_795_000_000_000
WHO = [
    OffenderId("login", "203.0.113.7/32"),
    OffenderId("login", "203.0.113.8/32"),
    OffenderId("admin", "2001:db8::/64"),
]
LENGTH_MS = 1_000

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ban", "ban and lift", "lift and ban", "extend", "lift", "lift", "pass", "tell", "again"]
        ),
        st.integers(0, len(WHO) - 1),
        st.integers(1, 2 * LENGTH_MS),
    ),
    max_size=40,
)


class Told(NamedTuple):
    """An event, as the model has it."""

    kind: EventKind
    who: OffenderId
    start_ms: int


@dataclass
class Life:
    """One offender, as the ledger has it, and whether the end of its last ban was told."""

    who: OffenderId
    offender: Offender = field(default_factory=Offender)
    is_closed: bool = True

    @property
    def ban(self) -> Ban:
        assert self.offender.ban
        return self.offender.ban

    @property
    def change(self) -> Change:
        return Change(self.who, self.ban, self.offender.revision, self.offender.lifted_ms)

    def told(self, kind: EventKind) -> Told:
        return Told(kind, self.who, self.ban.start_ms)

    def change_to(self, ban: Ban) -> None:
        self.offender = replace(self.offender, ban=ban, revision=self.offender.revision + 1)


class Model:
    """The lives of some offenders, and what is to be told of them."""

    def __init__(self) -> None:
        self.now_ms = BEGIN_MS
        self.lives = [Life(who) for who in WHO]
        self.changes: list[Change] = []

    def ended(self) -> list[Told]:
        over = [each for each in self.lives if not each.is_closed and not is_running(each.ban, self.now_ms)]
        for each in over:
            each.is_closed = True
        return [each.told(EventKind.END) for each in over]

    def ban(self, life: Life) -> Iterator[Told]:
        if is_running(life.offender.ban, self.now_ms):
            return
        if not life.is_closed:
            yield life.told(EventKind.END)
        count = life.ban.count + 1 if life.offender.ban else 1
        life.change_to(Ban(self.now_ms, self.now_ms + LENGTH_MS, count, LENGTH_MS))
        life.is_closed = False
        yield life.told(EventKind.BAN)

    def extend(self, life: Life) -> Iterator[Told]:
        """Move the end, even of a ban that is over: its last infraction may come late."""
        if life.offender.ban and life.offender.lifted_ms < life.ban.start_ms:
            life.change_to(replace(life.ban, until_ms=life.ban.until_ms + LENGTH_MS))
            yield life.told(EventKind.EXTENSION)

    def lift(self, life: Life) -> Iterator[Told]:
        if not life.offender.ban:
            return
        runs = is_running(life.ban, self.now_ms)
        if runs and not life.is_closed:
            yield life.told(EventKind.LIFT)
            life.is_closed = True
        after = lifted(life.offender, self.now_ms)
        assert after
        life.offender = after


def kinds(events: Any) -> list[Told]:
    return sorted(Told(each.kind, each.who, each.start_ms) for each in events)


def play(steps: list[tuple[str, int, int]], model: Model, events: BanEvents) -> None:
    """Do each step in the model, tell its change, and see what is told of it."""
    for verb, place, number in steps:
        life, expected, told = model.lives[place], [], []
        model.now_ms += 1
        if verb == "pass":
            model.now_ms += number
        elif verb == "tell":
            expected, told = model.ended(), events.ended(model.now_ms)
        elif verb == "again":
            told = events.take_in(model.changes[-number % 7 :: -1])
        else:
            for each in verb.split(" and "):
                model.now_ms += 2
                expected += {"ban": model.ban, "extend": model.extend, "lift": model.lift}[each](life)
            if life.offender.ban:
                model.changes.append(life.change)
                told = events.take_in([life.change])
        assert kinds(told) == sorted(expected), verb


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_each_ban_extension_lift_and_end_is_told_once_whatever_is_told_again(
    steps: list[tuple[str, int, int]],
) -> None:
    play(steps, Model(), BanEvents())


@settings(max_examples=150, deadline=None)
@given(STEPS, STEPS)
def test_who_takes_over_what_was_told_up_to_a_moment_tells_the_rest_and_nothing_twice(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    model, events = Model(), BanEvents()
    play([*before, ("tell", 0, 1)], model, events)
    successor = BanEvents()
    successor.know([each.change for each in model.lives if each.offender.ban], model.now_ms)
    play(after, model, successor)
