"""The way in: requests as they come over a connection, however they are cut into pieces and however old they are.

httptools reads what is well formed. What that does not take is looked at again: it is a request that can be meant
in one way only (`heads.py`), or another protocol (`first_bytes.py`), or refused.
"""

from __future__ import annotations

import math
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from f2b_worker.http.connections import NOTHING, Connection
from f2b_worker.http.exchanges import Exchange
from f2b_worker.http.first_bytes import foreign
from f2b_worker.http.heads import (
    HEAD_ENDS,
    AmbiguousError,
    end_of_head,
    mended,
    size_up_to_an_end,
    without_offer,
)
from f2b_worker.http.targets import described
from f2b_worker.http.turns import SLICE_S
from f2b_worker.http.unread import (
    FOREIGN,
    HEAD_TOO_LARGE,
    INCOMPLETE,
    OTHER_CODING,
    TUNNEL,
    TWO_HOSTS,
    Unread,
    bad_http,
    other_version,
)

if TYPE_CHECKING:
    from f2b_worker.http.requests import Scope

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PARSED_AT_ONCE_BYTES = 2048
"""A client may send requests ahead of our answers. Of so few bytes at once they take shape: 256 KB, as much as
comes in one reading, would be 14,000 of them, and 40 MB."""

_VERSIONS = frozenset({"1.0", "1.1"})
_HEARD = frozenset({b"content-length", b"expect", b"host", b"transfer-encoding"})


class GuardedProtocol(Connection):
    """One connection, from the first byte to the last."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = self._new_parser()
        self._length = 0  # of a body, as its head says
        self._has_host = False
        self._is_odd = False  # it is to be written anew, once it has come whole
        self._tail = b""  # of a body in chunks, as much as may be the beginning of its end
        self._bare_bytes = 0  # what came of it since its last data: lines of chunks, and trailers
        self._found: Unread | None = None  # why a callback stopped the parser

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and its parser, or the two would hold each other."""
        super().connection_lost(exc)
        del self.parser

    def data_received(self, data: bytes) -> None:
        """Read on, up to the first request that was sent ahead of an answer; the rest waits for that."""
        if self._last_words is not None:
            return
        if not self._ahead and len(data) <= max(PARSED_AT_ONCE_BYTES, self._body_left) and not self.pipeline:
            self._parse(data)
            return
        self._ahead = memoryview(b"".join((self._ahead, data)))
        self._read_slice()

    def eof_received(self) -> bool:
        """Answer what a client asked before it half-closed (`nc -N`, busybox), and end the connection after that.

        Whoever has gone wholly looks the same, until we write to him.
        """
        self._at_eof = True
        if not self._ahead:
            self._end_of_input()
        return not self.transport.is_closing()

    def _read_on(self) -> None:
        """Have another turn."""
        self.flow.is_held = False
        self._read_slice()
        if not (self.pipeline or self.transport.is_closing()):
            self.flow.resume()

    def _read_slice(self) -> None:
        """Parse what is there, for as long as a slice; the rest waits for another turn, or for an answer."""
        if self.flow.is_held:
            return
        ends_s = monotonic() + SLICE_S
        while self._ahead and not (self.pipeline or self.flow.is_held or self.transport.is_closing()):
            size = max(PARSED_AT_ONCE_BYTES, self._body_left)
            part, self._ahead = self._ahead[:size], self._ahead[size:]
            self._parse(bytes(part))
            if self._ahead and monotonic() >= ends_s:
                self.flow.hold()
                self._room.turns.wait(self._read_on)
        if self._ahead and not self.transport.is_closing():
            self._hold_ahead()
            return
        self._ahead = NOTHING  # also an empty part would keep the whole in memory
        self._hold_ahead()
        if self._at_eof:
            self._end_of_input()

    def _hold_ahead(self) -> None:
        more_bytes = len(self._ahead) - self._ahead_held
        if more_bytes:
            self._ahead_held += more_bytes
            self._hold(more_bytes)

    def _end_of_input(self) -> None:
        """Take it that the client sends no more."""
        if self._last_words is not None:
            return
        if self._in_message and (self._in_head or not self._is_answered):
            self._refuse(*INCOMPLETE)
        elif self._is_answered:
            self.transport.close()
        elif self.exchange:
            self.exchange.keep_alive = False

    def _parse(self, data: bytes) -> None:
        """Parse on, one head or body after the other: so we know of each where it begins."""
        if not (self._in_message or self._begun) and 0 < data.find(HEAD_ENDS) == len(data) - 4:  # as most
            try:
                self._feed(data)
            except HttpParserError as error:
                data = self._look_again(data, error)
            else:
                return
        while data and self._last_words is None:
            data = self._parse_body(data) if self._in_message and not self._in_head else self._parse_head(data)

    def _parse_head(self, data: bytes) -> bytes:
        """Parse on in a head, or begin one; answer what comes after it."""
        if self._is_odd:
            return self._parse_odd_head(data)
        size = size_up_to_an_end(self._begun, data)
        if len(self._begun) + size > self.limits.head_bytes:
            self._refuse_input(HEAD_TOO_LARGE)
            return b""
        head = data[:size]
        try:
            self._feed(head)
        except HttpParserError as error:
            return self._look_again(data, error)
        if self._in_head or self.exchange is None:
            self._note_beginning(head)
        return data[size:]

    def _parse_body(self, data: bytes) -> bytes:
        """Parse on in a body; answer what comes after it, or after what may be its end: chunks end as heads do."""
        size = self._body_left if self._body_left > 0 else size_up_to_an_end(self._tail, data)
        body = data[:size]
        try:
            self._feed(body)
        except HttpParserError as error:
            self._refuse_input(self._why(error))
        self._tail = (self._tail + body)[-3:] if self._in_message else b""
        self._bare_bytes += size
        if self._in_message and not self._length and self._bare_bytes > self.limits.head_bytes:
            # It is a trailer that does not end: the parser gathers it, and copies all of it for each piece.
            self._refuse_input(HEAD_TOO_LARGE)
        return data[size:]

    def _feed(self, data: bytes) -> None:
        """Give the parser something.

        After an offer to speak something else it takes all that follows for no HTTP, also a body. A server may
        ignore offers (RFC 9110, 7.8). So another parser gets the head without the offer, and what follows.

        Raises:
            HttpParserError: If it takes no more.
        """
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            method, version = self.parser.get_method(), self.parser.get_http_version()
            if method == b"CONNECT":
                self._stop(TUNNEL)
            self.parser = self._new_parser()
            self._feed(without_offer(method, self.url, version, self.headers) + data[offer.args[0] :])

    def _new_parser(self) -> HttpRequestParser:
        parser = HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # it is left unread
        return parser

    def _stop(self, found: Unread) -> None:
        """Stop the parser.

        Raises:
            HttpParserError: Always.
        """
        self._found = found
        raise HttpParserError(found.text)

    def _note_beginning(self, data: bytes) -> None:
        """Keep a head that has not come whole; one that will be none is refused."""
        self._begun += data
        self._hold(len(data))
        if (found := foreign(self._begun)) is not None:  # HTTP/0.9 is one line, and nothing comes after it
            self._refuse_input(found)

    def _look_again(self, data: bytes, error: HttpParserError) -> bytes:
        """Look again at what begins as no head that the parser takes; answer what comes after it."""
        # Of a body that is in no form that it knows the parser tells only when the head is over.
        found = self._found or (foreign(self._begun + data) if self._in_head else bad_http(error))
        if found is None and not isinstance(error, HttpParserInvalidMethodError):
            self._is_odd = True
            return self._parse_odd_head(data)
        self._refuse_input(found or bad_http(error))
        return b""

    def _parse_odd_head(self, data: bytes) -> bytes:
        """Write a head anew, once it has come whole, and parse it; answer what comes after it."""
        whole = (self._begun + data).lstrip(b"\r\n")
        end = end_of_head(whole)
        if (end or len(whole)) > self.limits.head_bytes:
            self._refuse_input(HEAD_TOO_LARGE)
        elif not end:
            self._begun = whole
            self._hold(len(data))
        else:
            self._begun, self._is_odd = b"", False
            self._parse_anew(whole[:end])
        return whole[end:] if end else b""

    def _parse_anew(self, head: bytes) -> None:
        self.parser = self._new_parser()
        try:
            self._feed(mended(head))
        except (HttpParserError, AmbiguousError) as error:
            self._refuse_input(self._why(error))

    def _why(self, error: Exception) -> Unread:
        return self._found or bad_http(error)

    def on_message_begin(self) -> None:
        """Give the head its time."""
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._length = self._body_left = self._bare_bytes = 0
        self._in_head = self._in_message = True
        self._has_host = self._waits_to_be_asked = False
        self.ends_s = self.loop.time() + self.limits.head_s

    def on_url(self, part: bytes) -> None:
        """Take a part of the target."""
        self.url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; of a trailer only whether the connection ends after it (RFC 9110, 6.5.1)."""
        name = name.lower()
        if not self._in_head:
            if name == b"connection" and self.exchange:
                self.exchange.keep_alive = False
            return
        if name in _HEARD:
            self._hear(name, value)
        self.headers.append((name, value))

    def _hear(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            self._length = int(value)
        elif name == b"expect":
            self._waits_to_be_asked = value.lower() == b"100-continue"
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":  # the parser takes whatever ends in that (RFC 9112, 6.1)
                self._stop(OTHER_CODING)
        elif self._has_host:  # RFC 9112, 3.2
            self._stop(TWO_HOSTS)
        else:
            self._has_host = True

    def on_headers_complete(self) -> None:
        """Let a request begin, and give its body its time; one with an offer comes again without it."""
        if self.parser.should_upgrade():
            return
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            self._stop(other_version(version))
        self._begun, self._in_head, self._body_left = b"", False, self._length
        self.ends_s = self.loop.time() + self.limits.body_s
        is_next = self._is_answered
        self.exchange = exchange = self._begin(version)
        if is_next:
            self._serve(exchange)
        else:  # it was sent ahead
            self.flow.pause()
            self.pipeline.append(exchange)

    def _begin(self, version: str) -> Exchange:
        parser, waits_to_be_asked = self.parser, self._waits_to_be_asked
        keep_alive = parser.should_keep_alive()  # of HTTP/1.0, if the client asks for that (RFC 9112, C.2.2)
        if version == "1.0":
            waits_to_be_asked = False  # it knows no 100 (RFC 9110, 10.1.1)
            if any(name == b"transfer-encoding" for name, _ in self.headers):  # a fault: RFC 9112, 6.1
                keep_alive = False
        scope = described(parser.get_method(), self.url, version)
        scope["headers"], scope["client"] = self.headers, self.client
        return Exchange(scope, self.flow, keep_alive=keep_alive, waits_to_be_asked=waits_to_be_asked)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, or throw away what nobody reads."""
        self._body_left -= len(body)
        self._bare_bytes = 0
        exchange = self.exchange
        if exchange and not exchange.is_answered and self.reads_body(exchange.scope):
            exchange.take(body)
            self._hold(len(body))

    def reads_body(self, scope: Scope) -> bool:  # noqa: ARG002
        """Tell whether the application reads the body of this request; another costs no memory."""
        return True

    def on_message_complete(self) -> None:
        """Give the application its time: it bounds itself."""
        if self._in_head:  # it has an offer, and comes again
            return
        self._in_message = False
        self._body_left = 0
        if self._is_answered:  # it did not wait for the end
            self._idle()
        elif self.exchange:
            self.exchange.end()
            self.ends_s = math.inf
            if self._is_read.is_set():
                self._room.is_served(self)

    def _refuse_input(self, found: Unread) -> None:
        if found.reason in FOREIGN:
            log.warning("foreign_protocol", kind=found.reason, peer=self.address, reason=found.text)
        self._refuse(*found)
