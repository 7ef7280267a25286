"""SQS over the event loop's own connections, with boto3 for what is hard: credentials, Region, endpoint.

A call costs a fifth of the CPU of boto3's (docs/shim.md), and the shim makes one for every batch. The protocol is
AWS JSON 1.0 (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html) under Signature Version 4.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import boto3
import httptools
import structlog
from botocore.exceptions import ClientError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from f2b_worker.adapters.answers import BAD_KEYS, aws_errors
from f2b_worker.adapters.aws_settings import authorities_of
from f2b_worker.adapters.sqs.sigv4 import Signer
from f2b_worker.adapters.threads import Threads
from f2b_worker.errors import AccessDenied, F2bError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.credentials import ReadOnlyCredentials
    from mypy_boto3_sqs import SQSClient

log: structlog.stdlib.BoundLogger = structlog.get_logger()

IDLE_MAX_S = 20.0  # shorter than SQS keeps an idle connection, so that few requests meet a closed one
CREDENTIALS_FRESH_S = 60.0  # temporary ones are renewed 15 minutes before they end
_CONTENT_TYPE = "application/x-amz-json-1.0"


class ConnectionLostError(Exception):
    """The connection ended before the answer did."""


class DirectCalls:
    """Calls SQS over kept-alive connections of this event loop.

    Args:
        client: Says where SQS is; makes no call.
        credentials: Where the credentials come from; asked in a thread, since they may come over the network.
    """

    def __init__(self, client: SQSClient, credentials: Any) -> None:
        self._url = client.meta.endpoint_url.rstrip("/") + "/"
        self._signer = Signer(client.meta.region_name, "sqs")
        parts = urlsplit(self._url)
        self._host = parts.hostname or ""
        self._authority = parts.netloc
        self._path = parts.path or "/"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = _tls() if parts.scheme == "https" else None
        self._source = credentials
        self._credentials: ReadOnlyCredentials | None = None
        self._asked_at_s = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._idle: list[tuple[float, _Connection]] = []

    async def call(self, action: str, parameters: Mapping[str, Any], *, anew: bool = False) -> Mapping[str, Any]:
        """Make one call.

        Args:
            action: Of SQS.
            parameters: Of the action.
            anew: Over a new connection; those that are kept are closed, since they may be as dead as another one.

        Raises:
            F2bError: The one that boto3's error of the same call would become.
        """
        credentials = await self._fresh_credentials()
        keys = f"{credentials.access_key}{credentials.token or ''}"
        if not (keys.isascii() and keys.isprintable()):
            self._credentials = None  # the next call asks for others, and waits for them
            raise AccessDenied(f"{action}: {BAD_KEYS}")
        request = self._signed(action, json.dumps(parameters).encode(), credentials)
        if anew:
            self._forget_kept()
        try:
            status, body, kind = await self._exchange(request)
        except (OSError, ConnectionLostError, httptools.HttpParserError) as error:
            raise Unavailable(f"{action}: {error or type(error).__name__}") from error
        data = _object(body)
        if status == 200:
            return data
        try:
            _raise(action, status, data, kind)
        except AccessDenied:
            self._asked_at_s = float("-inf")  # they may just have ended
            raise

    async def close(self) -> None:
        """Let go of connections."""
        self._forget_kept()
        await asyncio.sleep(0)  # the loop closes them in its next round

    def _forget_kept(self) -> None:
        for _, connection in self._idle:
            connection.close()
        self._idle.clear()

    def _signed(self, action: str, body: bytes, credentials: ReadOnlyCredentials) -> bytes:
        headers = {"content-type": _CONTENT_TYPE, "host": self._authority, "x-amz-target": f"AmazonSQS.{action}"}
        signed = self._signer.sign(self._path, headers, body, credentials, time.time())
        lines = [f"POST {self._path} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.items())]
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode("latin-1") + body

    async def _exchange(self, request: bytes) -> tuple[int, bytes, str]:
        """Send over a connection that is there, or over a new one where that has been closed meanwhile."""
        while (connection := self._kept()) is not None:
            try:
                return await self._over(connection, request)
            except (ConnectionLostError, OSError):
                if connection.began_to_answer:
                    raise
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, self._host, self._port, ssl=self._tls
        )
        return await self._over(connection, request)

    async def _over(self, connection: _Connection, request: bytes) -> tuple[int, bytes, str]:
        try:
            answer = await connection.ask(request)
        except BaseException:  # cancelled, too: a later answer must not be taken for another request's
            connection.close()
            raise
        if connection.reusable:
            self._idle.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.close()
        return answer

    def _kept(self) -> _Connection | None:
        now_s = asyncio.get_running_loop().time()
        while self._idle:
            since_s, connection = self._idle.pop()
            if connection.reusable and now_s - since_s < IDLE_MAX_S:
                return connection
            connection.close()
        return None

    async def _fresh_credentials(self) -> ReadOnlyCredentials:
        now_s = asyncio.get_running_loop().time()
        stale = now_s - self._asked_at_s > CREDENTIALS_FRESH_S
        if (stale or self._credentials is None) and (self._renewal is None or self._renewal.done()):
            self._asked_at_s = now_s
            self._renewal = asyncio.create_task(self._renew())
        if self._credentials is None:
            assert self._renewal is not None
            await asyncio.shield(self._renewal)
        if self._credentials is None:
            raise AccessDenied("SQS: there are no AWS credentials")
        return self._credentials

    async def _renew(self) -> None:
        try:
            with aws_errors("AWS credentials"):
                self._credentials = await _in_thread(self._source.get_frozen_credentials)
        except F2bError as error:
            # Old credentials serve until there are new ones: whether they still hold is for AWS to say.
            log.warning("credentials_not_renewed", reason=str(error))


async def _in_thread(ask: Callable[[], ReadOnlyCredentials]) -> ReadOnlyCredentials:
    """Ask in a thread of its own, which keeps no process from ending: the loop's own are waited for at a stop."""
    thread = Threads(1, "credentials")
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, ask)
    finally:
        thread.shutdown(wait=False)


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.began_to_answer = False
        self.reusable = False
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._answer: asyncio.Future[tuple[int, bytes, str]] | None = None
        self._body = b""
        self._kind = ""

    async def ask(self, request: bytes) -> tuple[int, bytes, str]:
        """Send a request; answer status, body and the error's type as the headers name it."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLostError("the connection was closed")
        self.began_to_answer, self._body, self._kind = False, b"", ""
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End the connection, whatever is under way."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.reusable = True

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # an answer that nobody asked for
            return
        self.began_to_answer = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)
            self.close()

    def eof_received(self) -> None:
        self.reusable = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._fail(ConnectionLostError(str(exc or "SQS closed the connection")))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-amzn-errortype":
            self._kind = value.decode("latin-1").partition(":")[0]

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.reusable = self.reusable and self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), self._body, self._kind))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def direct_calls(client: SQSClient) -> DirectCalls | None:
    """Make direct calls, or None where the environment wants a proxy to be used: boto3 knows how.

    Raises:
        AccessDenied: If there are no credentials.
    """
    url = client.meta.endpoint_url
    if get_environ_proxies(url).get(urlsplit(url).scheme):
        return None
    with aws_errors("AWS credentials"):
        credentials = boto3.session.Session().get_credentials()
    if credentials is None:
        raise AccessDenied("AWS credentials: none were found")
    return DirectCalls(client, credentials)


def _tls() -> ssl.SSLContext:
    bundle = authorities_of(boto3.session.Session())
    return ssl.create_default_context(cafile=bundle or get_cert_path(True))  # noqa: FBT003 - botocore's own way


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _raise(action: str, status: int, data: Mapping[str, Any], kind: str) -> NoReturn:
    code = str(kind or data.get("__type") or status)
    message = str(data.get("message") or data.get("Message") or f"status {status}")
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with aws_errors(action):
        raise ClientError(answer, action)  # type: ignore[arg-type]  # the shape that botocore makes
    raise AssertionError("unreachable: the block above always raises")
