"""Whoever counts bans, and whenever he dies: each is counted once, and so is its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from f2b_worker.domain.acts.lifting import is_running, lifted
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.ban_log.packed import PackedBans
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.domain.tally import Kind
from f2b_worker.errors import Unavailable
from f2b_worker.process.ban_tally import BanTally
from f2b_worker.testing import FakeClock, MemoryTally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.domain.tally import BanSheets

WHO = [OffenderId("login", f"203.0.113.{number}/32") for number in range(4)]
LENGTH_MS = 30_000

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ban", "ban", "extend", "lift", "pass", "heed", "heed", "snapshot", "die", "lose an answer"]
        ),
        st.integers(0, len(WHO) - 1),
        st.integers(1, 70),
    ),
    max_size=60,
)


class LossyTally(MemoryTally):
    """It loses the answer to what it stores when it is told to."""

    loses = False

    def note_bans(self, counted: BanSheets) -> bool:
        is_stored = super().note_bans(counted)
        if self.loses:
            self.loses = False
            raise Unavailable("no answer")
        return is_stored


class Fleet:
    """A log, its snapshot, and the one that counts; with what is to be counted."""

    def __init__(self) -> None:
        self.clock, self.tally = FakeClock(), LossyTally()
        self.offenders = {who: Offender() for who in WHO}
        self.log: list[list[Change]] = []
        self.snapshot: tuple[int, list[Change]] = (0, [])
        self.bans = 0
        self.take_over()

    def take_over(self) -> None:
        """Begin as who knows nothing but the snapshot, and hear what the log says after it."""
        self.known = PackedBans()
        number, changes = self.snapshot
        self.known.take_in(changes, number)
        self.scribe = BanTally(self.tally, self.clock, str)
        self.scribe.begin("epoch", number, self.known.numbered)
        for after in range(number, len(self.log)):
            self.scribe.heed(self.clock.now_ms())
            self.hear(after)

    def hear(self, place: int) -> None:
        self.known.take_in(self.log[place], place + 1)
        self.scribe.hear(place + 1, self.log[place])

    def change(self, who: OffenderId, offender: Offender) -> None:
        self.offenders[who] = offender
        assert offender.ban
        self.log.append([Change(who, offender.ban, offender.revision, offender.lifted_ms)])
        self.hear(len(self.log) - 1)

    def ban(self, who: OffenderId, late_ms: int) -> None:
        """Store a ban that began some time ago, if it could."""
        now_ms, offender = self.clock.now_ms(), self.offenders[who]
        if not is_running(offender.ban, now_ms):
            ended_ms = max(offender.ban.until_ms if offender.ban else 0, offender.lifted_ms)
            start_ms = max(now_ms - late_ms, ended_ms + 1)
            ban = Ban(start_ms, start_ms + LENGTH_MS, 1, LENGTH_MS)
            self.bans += 1
            self.change(who, replace(offender, ban=ban, revision=offender.revision + 1))

    def extend(self, who: OffenderId) -> None:
        offender = self.offenders[who]
        if offender.ban and is_running(offender.ban, self.clock.now_ms()):
            ban = replace(offender.ban, until_ms=offender.ban.until_ms + LENGTH_MS)
            self.change(who, replace(offender, ban=ban, revision=offender.revision + 1))

    def lift(self, who: OffenderId) -> None:
        after = lifted(self.offenders[who], self.clock.now_ms())
        if after:
            self.change(who, after)

    def publish(self) -> None:
        self.scribe.settle()
        self.snapshot = len(self.log), list(self.known)

    def counted(self, kind: Kind) -> int:
        return sum(number for found, _, _, number in self._counts() if found is kind)

    def _counts(self) -> Iterator[tuple[Kind, str, int, int]]:
        there = self.tally.bans()
        assert there
        open_hours = {each.hour_ms: each for each in (there.sheet, there.before) if each}
        closed = {each.sheet.hour_ms: each.sheet for each in self.tally.read(0, 2**50)}
        for sheet in (closed | open_hours).values():
            yield from sheet.counts()


@settings(max_examples=250, deadline=None)
@given(STEPS)
@example([("ban", 0, 1), ("die", 0, 1), ("heed", 0, 1), ("pass", 0, 40), ("die", 0, 1)])  # it ends between two
@example([("ban", 0, 30), ("heed", 0, 1), ("ban", 1, 60), ("snapshot", 0, 1), ("die", 0, 1)])  # it is known late
def test_each_ban_and_each_end_is_counted_once_whoever_dies_when(steps: list[tuple[str, int, int]]) -> None:
    fleet = Fleet()
    fleet.scribe.heed(fleet.clock.now_ms())
    for verb, place, seconds in steps:
        fleet.clock.advance(0.01)
        if verb == "pass":
            fleet.clock.advance(seconds if seconds < 60 else 60 * seconds)
        elif verb == "heed":
            fleet.scribe.heed(fleet.clock.now_ms())
        elif verb == "snapshot":
            fleet.publish()
        elif verb == "die":
            fleet.take_over()
        elif verb == "lose an answer":
            fleet.tally.loses = True
        elif verb == "ban":
            fleet.ban(WHO[place], late_ms=1000 * seconds)
        else:
            {"extend": fleet.extend, "lift": fleet.lift}[verb](WHO[place])
    fleet.tally.loses = False
    fleet.clock.advance(3_600)
    fleet.scribe.heed(fleet.clock.now_ms())
    fleet.scribe.settle()
    fleet.take_over()  # who has forgotten nothing that would still be counted
    fleet.scribe.settle()
    assert (fleet.counted(Kind.BANS), fleet.counted(Kind.UNBANS)) == (fleet.bans, fleet.bans)
