"""Messages in hand: what of them is still to be judged, and of which nothing is left to do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.judge.infractions import Refusal, note_of, simple_item, split_id
from f2b_worker.domain.judge.verdicts import end_after
from f2b_worker.intake.reading import letters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from f2b_worker.domain.judge.infractions import Reason
    from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
    from f2b_worker.errors import F2bError
    from f2b_worker.intake.known_bans import KnownBan, KnownBans
    from f2b_worker.intake.reading import Contents
    from f2b_worker.ports import DeadLetter, Message


@dataclass(slots=True, eq=False)
class InHand:
    """One message, since when it is in hand, and how many piles and letters still hold something of it.

    Attributes:
        offenders: How many offenders it told of.
        stays: Whether it stays in the queue, whatever else becomes of it.
    """

    message: Message
    since_s: float
    offenders: int = 0
    open: int = 0
    stays: bool = False


@dataclass(slots=True)
class Pile:
    """The infractions of one offender that wait to be judged, and the messages that they came with.

    Attributes:
        since_s: When the first of them came, on a clock that never goes back.
        known: The ban into whose time all of them fell, if there is one: they only extend it.
        is_fed: Whether some of them follow from bans, and stand in no message.
        among: Of how many offenders the shortest of its messages tells.
        failures: How often in a row it could not be judged although others were.
        failure: The last of them.
        again_s: Until when it rests after that.
    """

    since_s: float
    known: KnownBan | None = None
    is_fed: bool = False
    hits: list[Hit] = field(default_factory=list)
    messages: list[InHand] = field(default_factory=list)
    oldest_ms: int = 2**63
    newest_ms: int = -(2**63)
    among: int = 2**63
    failures: int = 0
    failure: F2bError | None = None
    again_s: float = float("-inf")
    _reach_ms: int = 0

    def add(self, hits: Sequence[Hit], messages: Sequence[InHand]) -> None:
        """Lay further infractions, and the messages that they came with, on the pile."""
        self.hits += hits
        self.messages += messages
        for each in messages:
            each.open += 1
            self.among = min(self.among, each.offenders)
        times_ms = sorted([hit.at_ms for hit in hits])
        self.oldest_ms = min(self.oldest_ms, times_ms[0])
        self.newest_ms = max(self.newest_ms, times_ms[-1])
        if self.known:
            self._follow(self.known.ban, times_ms)

    def join(self, other: Pile) -> None:
        """Take over another pile of the same offender."""
        for each in other.messages:
            each.open -= 1
        self.add(other.hits, other.messages)
        self.is_fed = self.is_fed or other.is_fed

    @property
    def is_longer(self) -> bool:
        """Whether all that is to be stored is a later end of a known ban."""
        return self.known is not None and self.newest_ms + self.known.ban.length_ms > self.known.ban.until_ms

    def is_covered_by(self, offender: Offender) -> bool:
        """Tell whether all of it falls into the ban that is known, or would without the end that they moved."""
        ban, known = offender.ban, self.known
        if ban is None or known is None or ban.start_ms != known.ban.start_ms:
            return False
        # A lifted ban covers nothing that came after.
        return offender.lifted_ms == known.lifted_ms and ban.start_ms < self.oldest_ms

    def _follow(self, ban: Ban, times_ms: Sequence[int]) -> None:
        """Find out whether these fell into the ban, too, with its end as those before them moved it."""
        reach_ms = max(self._reach_ms, ban.until_ms)
        for at_ms in times_ms:
            if not ban.start_ms < at_ms <= reach_ms:
                self.known = None  # the whole pile is recorded and judged as of anybody
                return
            if at_ms + ban.length_ms > reach_ms:
                reach_ms = end_after(ban, at_ms)
        self._reach_ms = reach_ms


class Letter(NamedTuple):
    """What is to be stored in the dead-letter queue, and the messages that stay until it is."""

    dead: DeadLetter
    messages: tuple[InHand, ...]


class Desk:
    """Where the intake lays the messages that it received, sorted by offender.

    Attributes:
        piles: What is still to be judged.
        infractions: How many infractions wait in the piles.
        letters: What is still to be stored in the dead-letter queue.
    """

    def __init__(self) -> None:
        self.piles: dict[OffenderId, Pile] = {}
        self.infractions = 0
        self.letters: list[Letter] = []
        self._in_hand: dict[str, InHand] = {}
        self._done: dict[str, InHand] = {}
        self._leaving = 0
        self._fed: dict[OffenderId, Pile] = {}

    @property
    def unfinished(self) -> int:
        """How many messages hold something that is still to be done."""
        return len(self._in_hand) - len(self._done) - self._leaving

    def take(self, message: Message, contents: Contents, known: KnownBans, *, now_s: float) -> None:
        """Lay out what is in a message; one that comes again while it is in hand is laid out again, too."""
        # It has a new receipt then, and only that one deletes it.
        in_hand = self._in_hand.setdefault(message.id, InHand(message, now_s, len(contents.hits)))
        in_hand.message = replace(message, body="")
        in_hand.open += 1
        self._done.pop(message.id, None)
        for who, hits in contents.hits.items():
            pile = self.piles.get(who)
            if pile is None:
                pile = self.piles[who] = Pile(now_s, known.get(who))
            pile.add(hits, [in_hand])
        self.infractions += sum(map(len, contents.hits.values()))
        self._add_letters(contents.letters, [in_hand])
        self._close([in_hand])

    def feed(self, who: OffenderId, fed: Mapping[OffenderId, Sequence[Hit]]) -> None:
        """Note infractions that follow from the bans of *who*: its messages stay until these are judged, too."""
        pile = self.piles[who]
        for other, hits in fed.items():
            self._fed.setdefault(other, Pile(pile.since_s, is_fed=True)).add(hits, pile.messages)

    def lay_out_fed(self) -> None:
        """Lay out what was noted; not earlier, since somebody's pile may just be judged."""
        for who, fed in self._fed.items():
            self.infractions += len(fed.hits)
            if who in self.piles:
                self.piles[who].join(fed)
            else:
                self.piles[who] = fed
        self._fed = {}

    def finish(self, who: OffenderId) -> None:
        """Mark everything of one offender as judged."""
        self._close(self._take_away(who).messages)

    def put_aside(self, who: OffenderId) -> Pile:
        """Take the pile of one offender away whose messages stay in hand."""
        return self.piles.pop(who)

    def close_aside(self, pile: Pile) -> None:
        """Mark a pile that was put aside as judged."""
        self.infractions -= len(pile.hits)
        self._close(pile.messages)

    def take_back(self, who: OffenderId, pile: Pile) -> None:
        """Lay a pile that was put aside on the desk again, to be judged as of anybody."""
        pile.known = None
        there = self.piles.setdefault(who, pile)
        if there is not pile:
            there.known = None
            there.join(pile)

    def give_up(self, who: OffenderId, reason: Reason, why: str) -> None:
        """Turn everything of one offender, whom the ledger refuses for good, into letters.

        What follows from bans has no letter: its messages come again, and bring it about again.
        """
        pile = self.piles[who]
        if pile.is_fed:
            self._leave_in_queue(pile.messages)
        else:
            refused = [_refusal(who, hit, reason, why) for hit in pile.hits]
            self._add_letters(letters(refused, pile.messages[0].message.id), pile.messages)
        self.finish(who)

    def leave(self, offenders: Iterable[OffenderId]) -> int:
        """Give up the piles of some offenders for now, and leave their messages in the queue; answer how many."""
        piles = [self._take_away(who) for who in offenders]
        messages = {id(each): each for pile in piles for each in pile.messages}
        self._leave_in_queue(messages.values())
        for pile in piles:
            self._close(pile.messages)
        return len(messages)

    def take_letters(self) -> list[Letter]:
        """Take the letters that were written since the last call; each is to be closed."""
        taken, self.letters = self.letters, []
        return taken

    def close_letter(self, letter: Letter, *, is_stored: bool) -> None:
        """Mark a letter as stored; the messages of one that is not, and never will be, stay in the queue."""
        if not is_stored:
            self._leave_in_queue(letter.messages)
        self._close(letter.messages)

    def held_since(self, time_s: float) -> list[Message]:
        """The messages that are in hand since *time_s* or longer; may be asked from another thread."""
        return [each.message for each in list(self._in_hand.values()) if each.since_s <= time_s]

    def clear(self) -> list[Message]:
        """Forget everything; answer the messages that were in hand."""
        messages = [each.message for each in self._in_hand.values()]
        for each in (self.piles, self.letters, self._in_hand, self._done, self._fed):
            each.clear()
        self._leaving = self.infractions = 0
        return messages

    def hand_over(self) -> list[InHand]:
        """Take the messages of which nothing is left to do. Delete them, but for those that stay; put all away."""
        done, self._done = self._done, {}
        self._leaving += len(done)
        return list(done.values())

    def put_away(self, handed_over: Iterable[InHand]) -> None:
        """Forget messages that were handed over, but for those that came again meanwhile and are not done yet."""
        for each in handed_over:
            self._leaving -= 1
            if not each.open and self._in_hand.get(each.message.id) is each:
                del self._in_hand[each.message.id]

    def _take_away(self, who: OffenderId) -> Pile:
        pile = self.piles.pop(who)
        self.infractions -= len(pile.hits)
        return pile

    def _leave_in_queue(self, messages: Iterable[InHand]) -> None:
        for each in messages:
            each.stays = True

    def _close(self, messages: Iterable[InHand]) -> None:
        for each in messages:
            each.open -= 1
            if not each.open:
                self._done[each.message.id] = each

    def _add_letters(self, dead: Iterable[DeadLetter], messages: Sequence[InHand]) -> None:
        for each in dead:
            for message in messages:
                message.open += 1
            self.letters.append(Letter(each, tuple(messages)))


def _refusal(who: OffenderId, hit: Hit, reason: Reason, why: str) -> Refusal:
    network, _, _ = who.key.partition("/")
    name, reporter = split_id(hit.id)
    note = note_of(hit.id) or None
    item = simple_item(network, who.jail, hit.at_ms, name, note=note, weight=hit.weight, reporter=reporter)
    return Refusal(reason, why, item)
