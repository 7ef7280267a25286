"""SQS's less convenient promises, on demand: messages delivered twice, and out of order.

A standard queue delivers at least once and in any order; emulators deliver once and in order.

``duplicate``: every message that is handed out is handed out a second time, once, in a later
answer to whoever receives then: same MessageId, body, attributes and receipt handle, even if the
first was deleted meanwhile. (A ``reset_after`` fault that swallows that answer swallows it too.)
``shuffle``: up to ``depth`` messages are taken from the queue ahead of time, and each answer is a
random pick of them. Both draw from one seeded source of chance.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from localstack.edge_http import Request, Response, json_response

Message = dict[str, Any]
Forward = Callable[[Request], Awaitable[Response]]

BATCH = 10
DEPTH = 100
LONG_VISIBILITY_S = 43_200


@dataclass(slots=True)
class Mode:
    """Which of the two is switched on."""

    duplicate: bool = False
    shuffle: bool = False
    seed: int = 0
    depth: int = DEPTH


@dataclass(slots=True)
class QueueDesk:
    """Hands out one queue's messages.

    Attributes:
        mode: shared with all other desks.
        chance: shared too.
        held: taken from the queue for shuffling, not handed out yet.
        copies: handed out once, to be handed out once more.
        seen: the ids of all messages that have got their copy.
        delivered: how many copies have been handed out.
    """

    mode: Mode
    chance: random.Random
    held: list[Message] = field(default_factory=list)
    copies: list[Message] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    delivered: int = 0

    async def receive(self, request: Request, forward: Forward) -> Response:
        """Answer a ReceiveMessage that does not wait."""
        data = request.json()
        wanted = int(data.get("MaxNumberOfMessages", 1))
        again = self._pick(self.copies, self.chance.randint(0, min(wanted, len(self.copies))))
        fresh = await self._fresh(request, forward, wanted - len(again))
        if isinstance(fresh, Response):
            self.copies += again
            return fresh
        if not fresh:
            again += self._pick(self.copies, wanted - len(again))
        self.delivered += len(again)
        self._remember(fresh)
        messages = [*again, *fresh]
        if self.mode.shuffle:
            self.chance.shuffle(messages)
        return json_response({"Messages": messages} if messages else {})

    async def _fresh(self, request: Request, forward: Forward, wanted: int) -> list[Message] | Response:
        """Take messages of the queue's own, or its refusal."""
        if wanted <= 0:
            return []
        if not (self.mode.shuffle or self.held):
            response = await forward(_changed(request, MaxNumberOfMessages=wanted))
            return response if response.status != 200 else list(response.json().get("Messages") or [])
        refusal = await self._fill(request, forward)
        if refusal is not None:
            return refusal
        picked = self._pick(self.held, wanted)
        await _start_visibility(request, picked, forward)
        return picked

    async def _fill(self, request: Request, forward: Forward) -> Response | None:
        """Hold more of the queue, invisible to it for as long as it takes."""
        ask = _changed(request, MaxNumberOfMessages=BATCH, VisibilityTimeout=LONG_VISIBILITY_S)
        while self.mode.shuffle and len(self.held) < self.mode.depth:
            response = await forward(ask)
            if response.status != 200:
                return response
            taken = response.json().get("Messages") or []
            self.held += taken
            if not taken:
                return None
        return None

    def _pick(self, pool: list[Message], count: int) -> list[Message]:
        self.chance.shuffle(pool)
        picked = pool[:count]
        del pool[:count]
        return picked

    def _remember(self, fresh: list[Message]) -> None:
        if not self.mode.duplicate:
            return
        for message in fresh:
            if message["MessageId"] not in self.seen:
                self.seen.add(message["MessageId"])
                self.copies.append(message)


async def _start_visibility(request: Request, messages: list[Message], forward: Forward) -> None:
    """Let the visibility timeout of held messages begin now that they are handed out."""
    if not messages:
        return
    data = request.json()
    timeout_s = data.get("VisibilityTimeout")
    if timeout_s is None:
        names = {"QueueUrl": data["QueueUrl"], "AttributeNames": ["VisibilityTimeout"]}
        answer = await forward(request.asking("GetQueueAttributes", names))
        timeout_s = int(answer.json().get("Attributes", {}).get("VisibilityTimeout", 30))
    entries = [
        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": timeout_s}
        for index, message in enumerate(messages)
    ]
    change = {"QueueUrl": data["QueueUrl"], "Entries": entries}
    await forward(request.asking("ChangeMessageVisibilityBatch", change))


def _changed(request: Request, **fields: int) -> Request:
    return request.asking("ReceiveMessage", {**request.json(), **fields})


class Delivery:
    """The desks of all queues, and what they are told to do."""

    def __init__(self) -> None:
        self._mode = Mode()
        self._chance = random.Random(0)
        self._desks: dict[str, QueueDesk] = {}

    def set_mode(self, mode: Mode) -> None:
        """Switch; messages held or owed a copy are still handed out."""
        self._mode = mode
        self._chance = random.Random(mode.seed)
        for desk in self._desks.values():
            desk.mode, desk.chance = self._mode, self._chance

    def reset(self) -> None:
        """Switch both off and forget all messages."""
        self._desks.clear()
        self.set_mode(Mode())

    def desk(self, queue: str) -> QueueDesk | None:
        """Who hands out this queue's messages; None for the queue itself."""
        desk = self._desks.get(queue)
        if self._mode.duplicate or self._mode.shuffle:
            return self._desks.setdefault(queue, desk or QueueDesk(self._mode, self._chance))
        return desk if desk and (desk.held or desk.copies) else None

    def describe(self) -> dict[str, Any]:
        """The mode, and how many messages wait to be delivered."""
        desks = self._desks.values()
        return {
            "duplicate": self._mode.duplicate,
            "shuffle": self._mode.shuffle,
            "duplicates_delivered": sum(desk.delivered for desk in desks),
            "duplicates_pending": sum(len(desk.copies) for desk in desks),
            "held": sum(len(desk.held) for desk in desks),
        }
