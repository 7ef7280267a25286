"""Notices to a web server, signed as Standard Webhooks has it.

The signature: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from f2b_worker.adapters.notify.fitting import as_json, fitted
from f2b_worker.adapters.notify.reaching import Reach
from f2b_worker.adapters.whole_answers import WholeAnswer
from f2b_worker.config.notice_secrets import webhook_key, webhook_url
from f2b_worker.errors import (
    AccessDenied,
    F2bError,
    Invalid,
    Missing,
    Rejected,
    StartError,
    Throttled,
    Unavailable,
)

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from f2b_worker.config.notices import WebhookAddress
    from f2b_worker.ports.notices import Notice

BODY_MAX_BYTES = 256 * 1024
ANSWER_MAX_BYTES = 16 * 1024
WITHIN_S = 10.0
WHOLE_S = 30.0
"""So long one attempt takes at most, however the other end drips."""

_PORTS = {"http": 80, "https": 443}
_KINDS: dict[int, type[F2bError]] = {
    HTTPStatus.UNAUTHORIZED: AccessDenied,
    HTTPStatus.FORBIDDEN: AccessDenied,
    HTTPStatus.NOT_FOUND: Missing,
    HTTPStatus.GONE: Missing,
    HTTPStatus.REQUEST_TIMEOUT: Unavailable,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Invalid,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
}


class _Connection(http.client.HTTPConnection):
    """Connects to an address that was checked, and to no other."""

    response_class = WholeAnswer

    def __init__(self, parts: SplitResult, reach: Reach) -> None:
        host = parts.hostname or ""
        super().__init__(host, parts.port or _PORTS[parts.scheme], timeout=WITHIN_S)
        self._reach = reach
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._watch: threading.Timer | None = None
        self.sock: socket.socket

    def connect(self) -> None:
        """Connect, and see who is at the other end."""
        raw = self._reach.connect(self.host, self.port, WITHIN_S)
        try:
            self.sock = self._encrypted(raw) if self._tls else raw
            self._end_in_time()
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.do_handshake()
        except BaseException:
            self.close()
            raw.close()
            raise

    def close(self) -> None:
        """Close it; the watch has nothing to do any more."""
        if self._watch:
            self._watch.cancel()
        super().close()

    def _encrypted(self, raw: socket.socket) -> ssl.SSLSocket:
        assert self._tls
        return self._tls.wrap_socket(raw, server_hostname=self.host, do_handshake_on_connect=False)

    def _end_in_time(self) -> None:
        """End it whatever the other end sends: a socket's timeout counts for each read of a handshake anew."""
        self._watch = threading.Timer(WHOLE_S, partial(_hang_up, self.sock))
        self._watch.daemon = True
        self._watch.start()


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        # Not SSLSocket's own, which would take away under its reader what that reads with.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class WebhookTarget:
    """One URL.

    Args:
        address: The URL, the secret, and whether addresses inside are allowed.

    Raises:
        StartError: If URL or secret stand in a variable, and cannot be used.
    """

    def __init__(self, address: WebhookAddress) -> None:
        try:
            self._parts = webhook_url(address.url.reveal())
        except ValueError as error:
            raise StartError(f"url: {error}") from None
        try:
            self._key = webhook_key(address.secret.reveal()) if address.secret else None
        except ValueError as error:
            raise StartError(f"secret: {error}") from None
        self._reach = Reach(self._parts.hostname or "", allow_private=address.allow_private)

    def send(self, notice: Notice) -> None:
        """Post one; sent again it has the same id.

        Raises:
            F2bError: If it was not, or perhaps not, taken. Neither URL nor answer are in the text.
        """
        body = body_of(notice)
        headers = {
            "content-type": "application/json",
            "user-agent": f"f2b-worker/{version('f2b-worker')}",
            "connection": "close",
            **self._signature(notice.id, body),
        }
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        connection = _Connection(self._parts, self._reach)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            status = answer.status
            with suppress(OSError, http.client.HTTPException, ValueError):  # the status is all that counts
                answer.read(ANSWER_MAX_BYTES)
        except ssl.SSLCertVerificationError as error:
            raise Rejected(f"{self._place}: its certificate is not valid: {error.verify_message}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise Unavailable(f"{self._place}: {getattr(error, 'strerror', None) or why}") from None
        finally:
            connection.close()
        self._judge(status)

    def close(self) -> None:
        """Do nothing: each notice has a connection of its own."""

    @property
    def _place(self) -> str:
        return f"webhook at {self._parts.hostname}"

    def _signature(self, notice_id: str, body: bytes) -> dict[str, str]:
        at_s = str(int(time.time()))
        headers = {"webhook-id": notice_id, "webhook-timestamp": at_s}
        if self._key is None:
            return headers
        signed = hmac.new(self._key, f"{notice_id}.{at_s}.".encode() + body, hashlib.sha256).digest()
        return {**headers, "webhook-signature": f"v1,{base64.b64encode(signed).decode()}"}

    def _judge(self, status: int) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if status < HTTPStatus.BAD_REQUEST:
            raise Rejected(f"{self._place}: answered {status}: f2b follows no redirect; write the last URL")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"{self._place}: answered {status}")
        raise _KINDS.get(status, Rejected)(f"{self._place}: answered {status}")


def body_of(notice: Notice) -> bytes:
    """Write the body: what it is, when, and the details."""
    head = as_json({"type": f"f2b.{notice.kind}", "timestamp": notice.detail["at"]})
    return f'{head[:-1]},"data":{fitted(notice.detail, BODY_MAX_BYTES)}}}'.encode()
