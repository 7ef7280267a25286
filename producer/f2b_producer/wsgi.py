"""Middleware for WSGI applications: Flask, Bottle, Pyramid; for Django see `f2b_producer.django`.

>>> app.wsgi_app = F2BMiddleware(app.wsgi_app, f2b, statuses={401: "login"}, trusted_hops=1)
"""

from __future__ import annotations

from f2b_producer._watch import SERVER_ERROR, Visit, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from f2b_producer._client import Producer
    from f2b_producer._client_address import Network

__all__ = ["F2BMiddleware"]


class F2BMiddleware:
    """Reports requests by the status of their responses, and lets the application report them.

    In a request, ``environ["f2b"].report("login")`` reports its client. A response is reported when it begins,
    not when a stream ends, and its body is passed on as it is. An exception of the application counts as status
    500 and goes on its way.

    Args:
        app: The application.
        producer: Reports.
        statuses: The jail for a response status, such as ``{401: "login", 404: "scan"}``.
        decide: Asked with the status and the environ for the jail when *statuses* names none; None reports
            nothing.
        trusted_hops: How many proxies of yours every request passes: 0 if clients connect to this server itself,
            1 behind an ALB, 2 behind CloudFront and an ALB.
        trusted_proxies: Instead of that, the networks in which your proxies are.

    Raises:
        ValueError: If a setting makes no sense, or neither trusted_hops nor trusted_proxies is set.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        app: WSGIApplication,
        producer: Producer,
        *,
        statuses: Mapping[int, str] | None = None,
        decide: Callable[[int, Any], str | None] | None = None,
        trusted_hops: int | None = None,
        trusted_proxies: Iterable[Network] | None = None,
    ) -> None:
        self._app = app
        self._watch = Watch(producer, statuses, decide, trusted_hops, trusted_proxies)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        visit = environ["f2b"] = Visit(
            self._watch, environ.get("REMOTE_ADDR"), environ.get("HTTP_X_FORWARDED_FOR", "")
        )
        started = False

        def start_and_judge(status: str, *rest: Any) -> Callable[[bytes], object]:
            nonlocal started
            write = start_response(status, *rest)
            started = True
            visit.judge(_number(status), environ)
            return write

        try:
            body = self._app(environ, start_and_judge)
        except Exception:
            visit.judge(SERVER_ERROR, environ)
            raise
        # A generator starts its response at the first step only, and may fail before it. Any other body goes as it
        # is: servers know the file wrapper by its type.
        return (
            body if started else _Unstarted(body, lambda: None if started else visit.judge(SERVER_ERROR, environ))
        )


class _Unstarted:
    """A body whose response has not begun when the application returns it."""

    def __init__(self, body: Iterable[bytes], failed: Callable[[], None]) -> None:
        self._body = body
        self._failed = failed
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._chunks is None:
                self._chunks = iter(self._body)
            return next(self._chunks)
        except StopIteration:
            raise
        except Exception:
            self._failed()
            raise

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def _number(status: str) -> int:
    try:
        return int(status[:3])
    except (TypeError, ValueError):  # the server complains, not we
        return 0
