"""Middleware for Django, under WSGI and ASGI: put it first in ``MIDDLEWARE``, and set ``F2B``.

MIDDLEWARE = ["f2b_producer.django.F2BMiddleware", ...]
F2B = {"producer": Producer(...), "statuses": {401: "login", 404: "scan"}, "trusted_hops": 1}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from f2b_producer._lifespan import look
from f2b_producer._watch import Visit, Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["F2BMiddleware"]

_KEYS = ("producer", "statuses", "decide", "trusted_hops", "trusted_proxies")


class F2BMiddleware:
    """Reports requests by the status of their responses, and gives each request an ``f2b``.

    ``request.f2b.report("login")`` in a view reports the client of the request. Django makes a response with
    status 500 of a view's exception before it comes here.

    Raises:
        ImproperlyConfigured: If the setting ``F2B`` is missing or makes no sense.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._watch = _watch()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Serve one request: the response, or under ASGI its awaitable."""
        look()  # nothing of Django's hears when an ASGI server stops
        meta = request.META  # under ASGI too
        request.f2b = Visit(self._watch, meta.get("REMOTE_ADDR"), meta.get("HTTP_X_FORWARDED_FOR", ""))
        if self._is_async:
            return self._judge_later(request, self._get_response(request))
        response = self._get_response(request)
        request.f2b.judge(response.status_code, request)
        return response

    async def _judge_later(self, request: Any, response: Awaitable[Any]) -> Any:
        answer = await response
        request.f2b.judge(answer.status_code, request)
        return answer


def _watch() -> Watch:
    given = getattr(settings, "F2B", None)
    if not isinstance(given, dict) or given.get("producer") is None:
        raise ImproperlyConfigured('F2B must be a dict with at least "producer" and "trusted_hops"')
    if unknown := given.keys() - set(_KEYS):
        raise ImproperlyConfigured(f"F2B has no {', '.join(sorted(unknown))}; it has {', '.join(_KEYS)}")
    try:
        said: list[Any] = [given.get(key) for key in _KEYS]
        return Watch(*said)
    except ValueError as error:
        raise ImproperlyConfigured(f"F2B: {error}") from error
