"""Messages in hand: what of them is still to be judged, and of which nothing is left to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog
from pydantic_core import to_json

from f2b_worker.domain.docket import Reason, Refusal
from f2b_worker.observe import metrics
from f2b_worker.ports import DeadLetter
from f2b_worker.wire import UnreadableError, read_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.domain.docket import Clerk, Docket
    from f2b_worker.domain.verdicts import Hit, OffenderId
    from f2b_worker.known_bans import KnownBan, KnownBans
    from f2b_worker.ports import Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LETTER_BYTES_MAX = 240 * 1024  # queues may still be limited to 256 KiB, attributes included


@dataclass(slots=True, eq=False)
class InHand:
    """One message, since when it is in hand, and how many piles still hold something of it."""

    message: Message
    since_s: float
    open_piles: int = 0
    is_kept: bool = False


@dataclass(slots=True)
class Pile:
    """The infractions of one offender that wait to be judged, and the messages that they came with.

    Attributes:
        since_s: When the first of them came, on a clock that never goes back.
        is_fed: Whether some of them follow from bans, and stand in no message.
    """

    since_s: float
    is_fed: bool = False
    hits: list[Hit] = field(default_factory=list)
    messages: list[InHand] = field(default_factory=list)
    oldest_ms: int = 2**63
    newest_ms: int = -(2**63)

    def add(self, hits: Sequence[Hit], messages: Sequence[InHand]) -> None:
        """Lay further infractions, and the messages that they came with, on the pile."""
        self.hits += hits
        self.messages += messages
        for each in messages:
            each.open_piles += 1
        times_ms = [hit.at_ms for hit in hits]
        self.oldest_ms = min(self.oldest_ms, *times_ms)
        self.newest_ms = max(self.newest_ms, *times_ms)

    def join(self, other: Pile) -> None:
        """Take over another pile of the same offender."""
        self.hits += other.hits
        self.messages += other.messages
        self.oldest_ms = min(self.oldest_ms, other.oldest_ms)
        self.newest_ms = max(self.newest_ms, other.newest_ms)
        self.is_fed = self.is_fed or other.is_fed


@dataclass(slots=True)
class Cover:
    """Infractions of one offender that fell into a known ban, and the messages that they came with.

    Of them only what they did to the ban's end is kept: a hot address must not fill the memory.

    Attributes:
        known: The ban, with its end as they moved it.
        since_s: When the first of them came.
        infractions: How many they are.
    """

    known: KnownBan
    since_s: float
    infractions: int = 0
    messages: list[InHand] = field(default_factory=list)


class Desk:
    """Where the intake lays the messages that it received, sorted by offender.

    Attributes:
        piles: What is still to be judged.
        covers: What only extends known bans, and is to be stored.
        letters: What is still to be stored in the dead-letter queue.
    """

    def __init__(self) -> None:
        self.piles: dict[OffenderId, Pile] = {}
        self.covers: dict[OffenderId, Cover] = {}
        self.letters: list[DeadLetter] = []
        self._in_hand: dict[str, InHand] = {}
        self._fed: dict[OffenderId, Pile] = {}

    @property
    def messages(self) -> list[Message]:
        """All messages in hand."""
        return [each.message for each in self._in_hand.values()]

    @property
    def settled(self) -> list[Message]:
        """The messages of which nothing is left to do."""
        return [each.message for each in self._in_hand.values() if not each.open_piles and not each.is_kept]

    def take(self, message: Message, clerk: Clerk, known: KnownBans, *, now_ms: int, now_s: float) -> None:
        """Read a message, and lay out what is in it; what cannot be judged becomes a letter."""
        # A message that comes again while it is in hand has a new receipt, and only that one deletes it.
        in_hand = self._in_hand.setdefault(message.id, InHand(message, now_s))
        in_hand.message = replace(message, body="")
        try:
            body = read_body(message.body, message_id=message.id, sent_at_ms=message.sent_at_ms)
        except UnreadableError as error:
            self._bury(message.id, message.body, [Refusal(error.reason, str(error), None)])
            return
        docket = clerk.sort_out(body.infractions, now_ms=now_ms)
        _count(docket)
        for who, hits in docket.hits.items():
            ban = known.get(who)
            if ban and who not in self.piles and ban.covers(hits):
                self._cover(who, ban, hits, in_hand, now_s)
            else:
                self._pile(who, now_s).add(hits, [in_hand])
        self._bury_in_letters(message.id, body.refused + docket.refused)

    def feed(self, who: OffenderId, fed: Mapping[OffenderId, Sequence[Hit]]) -> None:
        """Note infractions that follow from the bans of *who*: its messages stay until these are judged, too."""
        pile = self.piles[who]
        for other, hits in fed.items():
            self._fed.setdefault(other, Pile(pile.since_s, is_fed=True)).add(hits, pile.messages)

    def lay_out_fed(self) -> None:
        """Lay out what was noted; not earlier, since somebody's pile may be under judgement."""
        for who, fed in self._fed.items():
            pile = self.piles.get(who)
            if pile is None:
                self.piles[who] = fed
            else:
                pile.join(fed)
        self._fed = {}

    def finish(self, who: OffenderId) -> None:
        """Mark everything of one offender as judged."""
        for each in self.piles.pop(who).messages:
            each.open_piles -= 1

    def finish_cover(self, who: OffenderId) -> None:
        """Mark what extended the ban of one offender as stored."""
        for each in self.covers.pop(who).messages:
            each.open_piles -= 1

    def give_up_cover(self, who: OffenderId, why: str) -> None:
        """Turn what extended a ban into a letter: one infraction with which the ban would end as late."""
        cover = self.covers[who]
        at_ms = cover.known.until_ms - cover.known.ban.length_ms
        refused = Refusal(Reason.LEDGER_REFUSED, why, _item(who, at_ms))
        self._bury_in_letters(cover.messages[0].message.id, [refused])
        self.finish_cover(who)

    def give_up(self, who: OffenderId, why: str) -> None:
        """Turn everything of one offender, whom the ledger refuses for good, into letters.

        What follows from bans has no letter: its messages come again, and bring it about again.
        """
        pile = self.piles[who]
        if pile.is_fed:
            for each in pile.messages:
                each.is_kept = True
            self.finish(who)
            return
        items = [_item(who, hit.at_ms) | {"id": hit.id, "weight": hit.weight} for hit in pile.hits]
        refused = [Refusal(Reason.LEDGER_REFUSED, why, item) for item in items]
        self._bury_in_letters(pile.messages[0].message.id, refused)
        self.finish(who)

    def keep(self, message_id: str) -> None:
        """Leave a message in the queue whatever becomes of its infractions."""
        if message_id in self._in_hand:
            self._in_hand[message_id].is_kept = True

    def held_since(self, time_s: float) -> list[Message]:
        """The messages that are in hand since *time_s* or longer."""
        return [each.message for each in self._in_hand.values() if each.since_s <= time_s]

    def clear_done(self) -> None:
        """Forget the messages of which nothing is left to do: they were deleted, or stay in the queue."""
        self._in_hand = {name: each for name, each in self._in_hand.items() if each.open_piles}

    def _pile(self, who: OffenderId, now_s: float) -> Pile:
        pile = self.piles.get(who)
        if pile is None:
            pile = self.piles[who] = Pile(now_s)
        return pile

    def _cover(self, who: OffenderId, known: KnownBan, hits: Sequence[Hit], in_hand: InHand, now_s: float) -> None:
        metrics.infractions_judged.inc(len(hits))
        known.hear(hits)
        if not known.moves:
            return  # the stored ban ends as late: nothing is left to do
        cover = self.covers.get(who)
        if cover is None:
            cover = self.covers[who] = Cover(known, now_s)
        cover.infractions += len(hits)
        cover.messages.append(in_hand)
        in_hand.open_piles += 1

    def _bury_in_letters(self, message_id: str, refused: Sequence[Refusal]) -> None:
        for items, part in _in_letters(refused):
            self._bury(message_id, items, part)

    def _bury(self, message_id: str, body: str, why: Sequence[Refusal]) -> None:
        reasons = Counter(one.reason.value for one in why)
        self.letters.append(DeadLetter(body, reasons, why[0].detail, message_id))


def _item(who: OffenderId, at_ms: int) -> dict[str, object]:
    network, _, _ = who.key.partition("/")
    return {"ip": network, "jail": who.jail, "at": at_ms / 1000}


def _count(docket: Docket) -> None:
    for reason, number in docket.ignored.items():
        metrics.ignored.labels(reason).inc(number)
    for jail, number in docket.unknown_jails.items():
        metrics.unknown_jail.inc(number)
        log.debug("unknown_jail", jail=jail, infractions=number, judged_by="defaults")


def _in_letters(refused: Sequence[Refusal]) -> Iterator[tuple[str, list[Refusal]]]:
    """Cut what is refused into lists that fit into one message each, as JSON beside what they hold."""
    texts: list[bytes] = []
    part: list[Refusal] = []
    size_bytes = 0
    for one in refused:
        text = to_json(one.item, inf_nan_mode="strings")
        if part and size_bytes + len(text) > LETTER_BYTES_MAX:
            yield _as_list(texts), part
            texts, part, size_bytes = [], [], 0
        texts.append(text)
        part.append(one)
        size_bytes += len(text) + 1
    if part:
        yield _as_list(texts), part


def _as_list(texts: Sequence[bytes]) -> str:
    return f"[{b','.join(texts).decode()}]"
