"""Reports as Python programs do: by urllib, http.client, requests and httpx.

`tests/clients/programs.py` says what every client does and prints.
"""

from __future__ import annotations

import gzip
import http.client
import platform
import sys
import urllib.error
import urllib.request
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[str, str, dict[str, str], bytes | Iterator[bytes] | None], tuple[int, str]]

URL, LIMITED, TOKEN, DOOR = sys.argv[1:]
JSON = "application/json"
FORM = b"user=root&password=123456"
LARGE = b'{"ip": "203.0.113.66"}\n' * 90_000
PATIENCE_S = 20

Connection = http.client.HTTPSConnection if URL.startswith("https:") else http.client.HTTPConnection
kept_by_http = Connection(urlsplit(URL).netloc, timeout=PATIENCE_S)
kept_by_requests = requests.Session()
kept_by_httpx = httpx.Client(timeout=PATIENCE_S)


def by_urllib(
    method: str, to: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None
) -> tuple[int, str]:
    """Ask over a connection for this request alone."""
    request = urllib.request.Request(to, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def by_http(
    method: str, to: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None
) -> tuple[int, str]:
    """Ask over one kept connection, and over another if it is for another server."""
    parts = urlsplit(to)
    other = Connection(parts.netloc, timeout=PATIENCE_S)
    connection = kept_by_http if parts.netloc == urlsplit(URL).netloc else other
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        connection.close()
        raise
    finally:
        other.close()


def by_requests(
    method: str, to: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None
) -> tuple[int, str]:
    """Ask in a session of requests."""
    answer = kept_by_requests.request(method, to, headers=headers, data=body, timeout=PATIENCE_S)
    return answer.status_code, answer.text


def by_httpx(
    method: str, to: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None
) -> tuple[int, str]:
    """Ask by a client of httpx."""
    answer = kept_by_httpx.request(method, to, headers=headers, content=body)
    return answer.status_code, answer.text


def report(variant: str, ask: Ask) -> None:
    """Report in every way, and be refused in every way."""
    jail = f"?jail={DOOR}.{variant}"
    many = f"{URL}/infractions{jail}"

    def one(last: int) -> str:
        return f"{URL}/infraction/203.0.113.{last}{jail}"

    def say(
        name: str,
        method: str,
        to: str,
        body: bytes | Iterator[bytes] | None = None,
        *,
        token: str = TOKEN,
        kind: str = "",
        **more: str,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Content-Type": kind} if kind else {}
        headers |= {key.replace("_", "-"): value for key, value in more.items()}
        try:
            status, text = ask(method, to, headers, body)
            told = f"{status} {text.partition(chr(10))[0]}"
        except (OSError, http.client.HTTPException, httpx.HTTPError) as error:
            told = f"broken {error!r}"
        print(variant, name, told)

    for _ in range(3):
        say("get", "GET", one(1))
    say("head", "HEAD", one(2))
    say("post", "POST", one(3), FORM)
    say("put", "PUT", one(4), FORM)
    say("json", "POST", many, b'[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]', kind=JSON)
    say("ndjson", "POST", many, b'{"ip": "203.0.113.7"}\n{"ip": "203.0.113.8"}\n', kind="application/x-ndjson")
    say("gzip", "POST", many, gzip.compress(b'{"ip": "203.0.113.9"}'), kind=JSON, Content_Encoding="gzip")
    say("chunked", "POST", many, iter([b'{"ip": ', b'"203.0.113.10"}']), kind=JSON)
    for name, method, to, token in (
        ("no_token", "POST", many, ""),
        ("no_such_method", "DELETE", many, TOKEN),
        ("too_large", "POST", many, TOKEN),
        ("too_often", "POST", f"{LIMITED}/infractions{jail}", TOKEN),
    ):
        say(name, method, to, LARGE, token=token, kind=JSON)
        say("after", "GET", one(12))


print(f"version Python {platform.python_version()}, requests {version('requests')}, httpx {httpx.__version__}")
report("urllib", by_urllib)
report("http.client", by_http)
report("requests", by_requests)
report("httpx", by_httpx)
