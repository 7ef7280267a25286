"""What changes on a page while somebody looks at it.

One rendering serves everybody who has the same page open with the same rights. It is made when the bans have
changed, and now and then because time passes. It is sent only if it is another one than before; where it says how
long ago something was, it soon is. Nobody is waited for: who reads slowly gets the newest one next, and not those
between.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from f2b_worker.dashboard import metrics
from f2b_worker.dashboard.workers import BusyError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from f2b_worker.dashboard.asked import Asked, Visitor

STREAMS_MAX = 200
"""A browser has six connections to one server, and a page on a hidden tab has none: these are many people."""

RENEWALS_MAX = 50
"""So many pages are made anew at once: half of what `Workers` takes, so that there is room for those who come."""

TOO_MANY = (
    "Too many pages are open, so this one is not kept up to date any more. Close pages that nobody looks at, then"
    " load this one again."
)

LOOKS_EVERY_S = 1.0
RENEWS_EVERY_S = 10.0
"""So often a page is made anew though no ban has changed: ages go on, and not all that is shown are bans."""

NOT_SOONER_S = {"address": 5.0, "queue": 60.0}
"""Pages that are not made anew for each change of the bans, which in an attack change each second.

For one address every jail is asked for, with 200 jails in 400 calls. Who reads dead letters hides them from others
for a moment.
"""

HEARTBEAT_S = 15.0
"""So long a proxy hears nothing at most: many end a connection after a minute."""

BEGINNING = b"retry: 2000\n\n"
_BEAT = b": still here\n\n"


class Followed(Protocol):
    """The bans, as somebody follows them (query's View)."""

    @property
    def generation(self) -> int:
        """Rises with each change."""
        ...

    def touch(self) -> None:
        """Say that somebody looks."""


class _Shown:
    """One page as one kind of visitor sees it, and who has it open."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.readers: set[_Reader] = set()
        self.main = b""
        self.number = 0
        self.generation = -1
        self.made_s = float("-inf")
        self.is_made = False  # just now


class _Reader:
    """One open page."""

    def __init__(self, shown: _Shown) -> None:
        self.shown = shown
        self.number = 0
        self.farewell: str | None = None  # empty: it goes without a word
        self.woken = asyncio.Event()

    async def news(self) -> bytes:
        """Wait for a change, for as long as a proxy does."""
        if self.number == self.shown.number and self.farewell is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.woken.wait(), HEARTBEAT_S)
        self.woken.clear()
        if self.number == self.shown.number:
            return _BEAT
        self.number = self.shown.number
        return event("main", self.shown.main)


class Streams:
    """All open pages.

    Args:
        render: Makes the inside of <main>. It raises BusyError where there is no room for that, and nothing else.
        view: Followed for as long as a page is open.
        streams_max: How many there may be; beyond that the oldest ends.
    """

    def __init__(
        self, render: Callable[[Asked], Awaitable[bytes]], view: Followed, *, streams_max: int = STREAMS_MAX
    ) -> None:
        self._render = render
        self._view = view
        self._streams_max = streams_max
        self._shown: dict[tuple[str, Visitor], _Shown] = {}
        self._readers: dict[_Reader, None] = {}  # the oldest first
        self._renewing: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._readers)

    async def open(self, asked: Asked) -> AsyncGenerator[bytes, None]:
        """Open a page: what comes are events, and beats where there are none."""
        reader = self._enter(asked)
        try:
            yield BEGINNING
            while reader.farewell is None:
                yield await reader.news()
            if reader.farewell:
                yield event("end", reader.farewell.encode())
        finally:
            self._forget(reader)

    def close(self) -> None:
        """End all of them, without a word: a page comes again by itself once there is a server."""
        for each in list(self._readers):
            self._dismiss(each, "")
        if self._looking:
            self._looking.cancel()
            self._looking = None

    def _enter(self, asked: Asked) -> _Reader:
        shown = self._shown.setdefault((asked.url, asked.visitor), _Shown(asked))
        reader = _Reader(shown)
        shown.readers.add(reader)
        self._readers[reader] = None
        metrics.streams.set(len(self._readers))
        if len(self._readers) > self._streams_max:
            metrics.refused.labels("streams").inc()
            self._dismiss(next(iter(self._readers)), TOO_MANY)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return reader

    def _dismiss(self, reader: _Reader, why: str) -> None:
        reader.farewell = why
        self._forget(reader)
        reader.woken.set()

    def _forget(self, reader: _Reader) -> None:
        self._readers.pop(reader, None)
        metrics.streams.set(len(self._readers))
        shown = reader.shown
        shown.readers.discard(reader)
        key = shown.asked.url, shown.asked.visitor
        if not shown.readers and self._shown.get(key) is shown:  # else it was opened anew in between
            del self._shown[key]

    async def _look(self) -> None:
        """Look at all pages once a second while any is open; a page that takes long is not waited for."""
        now_s = asyncio.get_running_loop().time
        while self._readers:
            began_s = now_s()
            self._view.touch()
            self._begin_renewals(began_s)
            await asyncio.sleep(began_s + LOOKS_EVERY_S - now_s())
        self._looking = None

    def _begin_renewals(self, now_s: float) -> None:
        """Begin with the pages that wait longest: where there is no room for all, none is left out for ever."""
        due = [each for each in self._shown.values() if self._is_due(each, now_s)]
        due.sort(key=lambda each: each.made_s)
        for shown in due[: RENEWALS_MAX - len(self._renewing)]:
            shown.is_made = True
            shown.generation, shown.made_s = self._view.generation, now_s
            task = asyncio.create_task(self._renew(shown))
            self._renewing.add(task)
            task.add_done_callback(self._renewing.discard)

    def _is_due(self, shown: _Shown, now_s: float) -> bool:
        age_s, is_other = now_s - shown.made_s, shown.generation != self._view.generation
        is_old = is_other or age_s >= RENEWS_EVERY_S
        return is_old and age_s >= NOT_SOONER_S.get(shown.asked.segment, 0.0) and not shown.is_made

    async def _renew(self, shown: _Shown) -> None:
        try:
            main = await self._render(shown.asked)
        except BusyError:
            shown.made_s = float("-inf")  # what it shows stays, and it is the first at the next look
            return
        finally:
            shown.is_made = False
        if main != shown.main:
            shown.main = main
            shown.number += 1
            for each in shown.readers:
                each.woken.set()


def event(name: str, text: bytes) -> bytes:
    """Write a server-sent event: of several lines each has its name before it."""
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"event: %s\n" % name.encode() + b"".join(b"data: %s\n" % each for each in lines) + b"\n"
