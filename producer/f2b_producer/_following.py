"""What `f2b-report --tail` reports: the infractions in a log, each named by its line, and the place it keeps."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from f2b_producer._bells import Bell
from f2b_producer._infraction import Infraction, RefusedError, read
from f2b_producer.logs import Bookmark, BookmarkError, LogFilter, Position, Tail, TailedLine, Turn, tail

_SAVE_EVERY_MS = 10_000  # while nothing is written: how exactly a restart knows when later lines were written
_ID_BYTES = 8


class Report(NamedTuple):
    """What is said with each infraction."""

    jail: str
    note: str | None
    weight: int


class Follower:
    """Reads infractions from a log, and keeps the place up to which they were sent.

    Args:
        path: The log.
        log_filter: Finds them.
        report: What is said with each.
        end: Rings when it is to stop.
        complain: Is told one line for people.
    """

    def __init__(
        self,
        path: str,
        log_filter: LogFilter,
        report: Report,
        *,
        end: Bell,
        complain: Callable[[str], None],
    ) -> None:
        self._path = path
        self._filter = log_filter
        self._report = report
        self._end = end
        self._complain = complain
        self._saved_ms = 0
        self._can_save = True
        self.refused = 0

    def infractions(self, *, from_start: bool, bookmark: Bookmark | None = None) -> "Iterator[Infraction | None]":
        """Yield what is found until the end; None asks that all before it be sent before it goes on.

        Raises:
            BookmarkError: At once, if the place cannot be kept.
        """
        if bookmark:
            bookmark.hold()
        lines = Tail(
            self._path,
            from_start=from_start,
            wait=lambda: not self._end.wait(tail.POLL_S),
            after=bookmark.load(self._complain) if bookmark else None,
            warn=self._complain,
        )
        if bookmark:
            bookmark.save(lines.position())
        if lines.is_waiting:
            self._complain(f"{self._path} is not there yet: waiting for it")
        self._filter.learn(line.decode("utf-8", "replace") for line in lines.sample())
        return self._follow(lines, bookmark)

    def _follow(self, lines: Tail, bookmark: Bookmark | None) -> "Iterator[Infraction | None]":
        try:
            for turn in lines:
                yield from self._found_in(turn) if bookmark is None else self._kept(turn, lines, bookmark)
                if not self._end.silent():
                    return
        finally:
            if bookmark:
                bookmark.release()

    def _kept(self, turn: Turn, lines: Tail, bookmark: Bookmark) -> "Iterator[Infraction | None]":
        """Yield a turn's infractions between two notes of the place.

        The first says what is read and when: who dies between the two reads it again with the same times, so
        that the infractions are the same.
        """
        if turn.position:
            self._save(bookmark, turn.position)
        found = False
        for infraction in self._found_in(turn):
            found = True
            yield infraction
        if not self._end.silent():
            return
        if found:
            yield None
        position = lines.position()
        if position.offset != (turn.position or position).offset or turn.now_ms - self._saved_ms >= _SAVE_EVERY_MS:
            self._save(bookmark, position)
            self._saved_ms = turn.now_ms

    def _found_in(self, turn: Turn) -> Iterator[Infraction]:
        for line in turn:
            if not self._end.silent():
                return
            if infraction := self._read(line, turn):
                yield infraction

    def _read(self, line: TailedLine, turn: Turn) -> "Infraction | None":
        found = self._filter.find(
            line.text.decode("utf-8", "replace"),
            now_ms=turn.now_ms,
            since_ms=turn.since_ms,
            needs_date=turn.since_ms is None,
        )
        if found is None:
            return None
        jail, note, weight = self._report
        try:
            return read(found.ip, jail, found.at_ms / 1000, note, weight, _id_of(line))
        except RefusedError as refused:
            self.refused += 1
            self._complain(f"{found.ip}: {refused}")
            return None

    def _save(self, bookmark: Bookmark, position: Position) -> None:
        try:
            bookmark.save(position)
        except BookmarkError as error:
            if self._can_save:
                self._complain(f"{error}; a restart goes on from an older place")
            self._can_save = False
        else:
            self._can_save = True


def _id_of(line: TailedLine) -> str:
    """Name an infraction by its line and where it stands, so that it is the same whenever it is read."""
    place = f"{line.file}.{line.offset}.".encode()
    return urlsafe_b64encode(blake2b(place + line.text, digest_size=_ID_BYTES).digest()).decode().rstrip("=")
