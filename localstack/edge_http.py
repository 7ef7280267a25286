"""HTTP/1.1 as the edge needs it: whole requests in, whole answers out, connections kept alive."""

import asyncio
import json
import re
import uuid
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import urlsplit

STREAM_LIMIT_BYTES = 2**20
HOP_HEADERS = frozenset({"connection", "keep-alive", "expect", "transfer-encoding", "content-length"})
SERVICES = {"AmazonSQS": "sqs", "DynamoDB_20120810": "dynamodb", "AWSWAF_20190729": "wafv2", "AWSEvents": "events"}
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/")
_ACCOUNT = re.compile(r"[0-9]{12}")

CONTENT_TYPE = "application/x-amz-json-1.0"


class BadRequestError(Exception):
    """A client sent what the edge cannot read; the connection is closed."""


@dataclass(slots=True)
class Request:
    """One HTTP request, read to its end."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    service: str = "http"
    action: str = ""
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION

    @property
    def name(self) -> str:
        """The call as IAM would write it, such as ``dynamodb:UpdateItem``."""
        return f"{self.service}:{self.action}"

    def json(self) -> dict[str, Any]:
        """The body as an object; an absent or broken one is empty."""
        try:
            data = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    def asking(self, action: str, data: dict[str, Any]) -> Self:
        """The same caller's request for another action of the same service."""
        prefix = self.headers["x-amz-target"].partition(".")[0]
        headers = {**self.headers, "x-amz-target": f"{prefix}.{action}"}
        return replace(self, headers=headers, body=json.dumps(data).encode(), action=action)

    def encode(self) -> bytes:
        """The bytes to send on."""
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items() if name not in HOP_HEADERS]
        lines.append(f"content-length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclass(slots=True)
class Response:
    """One HTTP answer, read to its end."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        data = json.loads(self.body or b"{}")
        return data if isinstance(data, dict) else {}

    def with_json(self, data: dict[str, Any]) -> Self:
        """The same answer with another body.

        The checksum goes: it was taken over the old body.
        """
        headers = [(name, value) for name, value in self.headers if name.lower() != "x-amz-crc32"]
        return replace(self, body=json.dumps(data).encode(), headers=headers)

    def encode(self) -> bytes:
        """The bytes to send in one write, so that no delayed ACK holds the body back."""
        lines = [f"HTTP/1.1 {self.status} {'OK' if self.status < 300 else 'Error'}"]
        lines += [f"{name}: {value}" for name, value in self.headers if name.lower() not in HOP_HEADERS]
        if not any(name.lower() == "date" for name, _ in self.headers):
            lines.append(f"date: {formatdate(usegmt=True)}")
        lines.append(f"content-length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1") + self.body


def json_response(data: dict[str, Any], status: int = 200) -> Response:
    """An answer in the JSON protocol."""
    headers = [("content-type", CONTENT_TYPE), ("x-amzn-requestid", str(uuid.uuid4()))]
    return Response(status, json.dumps(data).encode(), headers)


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Read the next request, or None when the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, headers = _parse_head(head)
    if "transfer-encoding" in headers:
        raise BadRequestError("a request without Content-Length")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length") or 0))
    try:
        method, path, _version = first.split(" ")
    except ValueError:
        raise BadRequestError(first) from None
    return _named(Request(method, path, headers, body))


def _named(request: Request) -> Request:
    credential = _CREDENTIAL.search(request.headers.get("authorization", ""))
    if credential:
        key, request.region, request.service = credential.groups()
        request.account = key if _ACCOUNT.fullmatch(key) else DEFAULT_ACCOUNT
    prefix, dot, action = request.headers.get("x-amz-target", "").rpartition(".")
    if dot:
        request.service = SERVICES.get(prefix, prefix)
        request.action = action
    return request


def _parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return first, headers


class Upstream:
    """A server behind the edge, with its idle connections kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not an http:// address: {url}")
        self.netloc = parts.netloc
        self._host = parts.hostname
        self._port = parts.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, request: Request) -> Response:
        """Forward a request and wait for its answer.

        Raises:
            ConnectionError: when the server does not answer.
        """
        data = request.encode()
        while self._idle:
            reader, writer = self._idle.pop()
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            response = await self._reuse(reader, writer, data)
            if response is not None:
                return response
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=STREAM_LIMIT_BYTES)
        return await self._exchange(reader, writer, data)

    async def get(self, path: str, method: str = "GET") -> Response:
        """Call one of the server's own administration paths."""
        return await self.send(Request(method, path, {"host": self.netloc}, b""))

    async def _reuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
    ) -> Response | None:
        """Try a kept connection; None when the server closed it before it answered a byte.

        hypercorn closes idle connections after five seconds, which can cross our request.
        """
        try:
            return await self._exchange(reader, writer, data)
        except ConnectionResetError:
            return None

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> Response:
        try:
            writer.write(data)
            response, keep = await _read_response(reader)
        except BaseException:
            writer.close()
            raise
        if keep:
            self._idle.append((reader, writer))
        else:
            writer.close()
        return response


async def _read_response(reader: asyncio.StreamReader) -> tuple[Response, bool]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ConnectionAbortedError("the upstream server closed in the middle of a head") from error
        raise ConnectionResetError("the upstream server closed the connection") from error
    first, headers = _parse_head(head)
    try:
        body = await _read_body(reader, headers)
    except asyncio.IncompleteReadError as error:
        raise ConnectionAbortedError("the upstream server closed in the middle of a body") from error
    keep = headers.get("connection", "").lower() != "close"
    return Response(int(first.split(" ", 2)[1]), body, list(headers.items())), keep


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length") or 0))
    chunks: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)
