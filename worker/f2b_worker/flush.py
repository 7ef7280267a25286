"""Messages that are judged together, and how far that has come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import structlog
from pydantic_core import to_json

from f2b_worker.domain.docket import sort_out
from f2b_worker.observe import metrics
from f2b_worker.ports import DeadLetter
from f2b_worker.wire import UnreadableError, read_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.domain.docket import Docket, Reason, Refusal
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.verdicts import Hit, OffenderId
    from f2b_worker.ports import Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LETTER_BYTES_MAX = 240 * 1024  # queues may still be limited to 256 KiB, attributes included


class Flush:
    """Messages that are judged together, and how far that has come."""

    def __init__(
        self, messages: Sequence[Message], policy: Policy, *, now_ms: int, max_age_ms: int | None
    ) -> None:
        self._messages = messages
        self._now_ms = now_ms
        self._needs: dict[str, set[OffenderId]] = {}
        self._given_up: set[OffenderId] = set()
        self._kept: set[str] = set()
        self._fed: dict[OffenderId, list[Hit]] = {}
        self.pending: dict[OffenderId, list[Hit]] = {}
        self.letters: list[DeadLetter] = []
        for message in messages:
            self._read(message, policy, now_ms, max_age_ms)

    @property
    def judged_messages(self) -> list[Message]:
        """The messages of which nothing is left to do."""
        undone = self.pending.keys() | self._given_up
        return [
            message
            for message in self._messages
            if message.id not in self._kept and not self._needs[message.id] & undone
        ]

    @property
    def unsettled(self) -> list[Message]:
        """All messages: whatever of them is judged again changes nothing."""
        return list(self._messages)

    @property
    def oldest_ms(self) -> int:
        """The time of the oldest infraction; the time of the flush itself if there is none."""
        return min((hit.at_ms for hits in self.pending.values() for hit in hits), default=self._now_ms)

    def finish(self, who: OffenderId) -> None:
        """Mark everything of one offender as judged."""
        self.pending.pop(who, None)

    def feed(self, who: OffenderId, fed: Mapping[OffenderId, Sequence[Hit]]) -> None:
        """Note infractions that follow from the bans of *who*: whose messages stay until these are judged, too."""
        for other, hits in fed.items():
            self._fed.setdefault(other, []).extend(hits)
            for needs in self._needs.values():
                if who in needs:
                    needs.add(other)

    def lay_out_fed(self) -> None:
        """Have judged what was noted; not earlier, since the same offender may just be under judgement."""
        for who, hits in self._fed.items():
            self.pending.setdefault(who, []).extend(hits)
        self._fed = {}

    def give_up(self, who: OffenderId) -> None:
        """Leave one offender's messages to come again."""
        self.pending.pop(who, None)
        self._given_up.add(who)

    def keep(self, message_id: str) -> None:
        """Leave a message in the queue whatever becomes of its infractions."""
        self._kept.add(message_id)

    def _read(self, message: Message, policy: Policy, now_ms: int, max_age_ms: int | None) -> None:
        self._needs[message.id] = set()
        try:
            body = read_body(message.body, message_id=message.id, sent_at_ms=message.sent_at_ms)
        except UnreadableError as error:
            self._bury(message, message.body, [(error.reason, str(error))])
            return
        docket = sort_out(body.infractions, policy, now_ms=now_ms, max_age_ms=max_age_ms)
        self._enter(message, docket)
        refused = body.refused + docket.refused
        for items, part in _in_letters(refused):
            self._bury(message, items, [(one.reason, one.detail) for one in part])

    def _enter(self, message: Message, docket: Docket) -> None:
        for who, hits in docket.hits.items():
            self.pending.setdefault(who, []).extend(hits)
            self._needs[message.id].add(who)
        for reason, number in docket.ignored.items():
            metrics.ignored.labels(reason).inc(number)
        for jail, number in docket.unknown_jails.items():
            metrics.unknown_jail.inc(number)
            log.debug("unknown_jail", jail=jail, infractions=number, judged_by="defaults")

    def _bury(self, message: Message, body: str, why: Sequence[tuple[Reason, str]]) -> None:
        reasons = Counter(reason.value for reason, _ in why)
        self.letters.append(DeadLetter(body, reasons, why[0][1], message.id))


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
