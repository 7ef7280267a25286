import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from f2b_producer import Producer
from f2b_producer.asgi import F2BMiddleware
from f2b_producer.testing import RecordingClient

FORWARDED = (b"x-forwarded-for", b"203.0.113.7")
App = Callable[[Any, Any, Any], Awaitable[None]]


def reported(f2b: Producer, queue: RecordingClient) -> list[tuple[str, str, str | None, int]]:
    assert f2b.flush()
    return [(seen.ip, seen.jail, seen.note, seen.weight) for seen in queue.infractions()]


def scope(*headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {"type": "http", "headers": headers or (FORWARDED,), "client": ("10.0.0.1", 4711), **more}


def answers(status: int, *chunks: bytes) -> App:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def serve(app: App, request: Any) -> list[Any]:
    """Serve one request and return the messages that the server got."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    async def run() -> None:
        await app(request, receive, send)

    asyncio.run(run())
    return sent


@pytest.mark.parametrize(("status", "jails"), [(401, ["login"]), (404, ["scan"]), (200, []), (403, [])])
def test_a_response_is_reported_to_the_jail_of_its_status(
    f2b: Producer, queue: RecordingClient, status: int, jails: list[str]
) -> None:
    app = F2BMiddleware(answers(status), f2b, statuses={401: "login", 404: "scan"}, trusted_hops=1)
    serve(app, scope())
    assert reported(f2b, queue) == [("203.0.113.7", jail, None, 1) for jail in jails]


def test_several_header_lines_are_one_list_in_their_order(f2b: Producer, queue: RecordingClient) -> None:
    app = F2BMiddleware(answers(404), f2b, statuses={404: "scan"}, trusted_hops=2)
    serve(
        app,
        scope((b"x-forwarded-for", b"6.6.6.6, 203.0.113.7:99"), (b"a", b"b"), (b"x-forwarded-for", b"1.1.1.1")),
    )
    assert [ip for ip, *_ in reported(f2b, queue)] == ["203.0.113.7"]


def test_decide_is_asked_when_no_status_says_it(f2b: Producer, queue: RecordingClient) -> None:
    def decide(status: int, request: Any) -> str | None:
        return f"s{status}" if request["path"] == "/admin" else None

    app = F2BMiddleware(answers(403), f2b, statuses={404: "scan"}, decide=decide, trusted_hops=1)
    serve(app, scope(path="/"))
    serve(app, scope(path="/admin"))
    assert reported(f2b, queue) == [("203.0.113.7", "s403", None, 1)]


@pytest.mark.parametrize(("answer", "reason"), [(ZeroDivisionError(), "decide"), (5, "jail"), ("a b", "jail")])
def test_a_decide_that_is_wrong_costs_the_visitor_nothing_and_is_counted(
    f2b: Producer, answer: Any, reason: str
) -> None:
    def decide(_status: int, _request: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    sent = serve(F2BMiddleware(answers(200), f2b, decide=decide, trusted_hops=1), scope())
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert f2b.stats().refused == {reason: 1}


def test_the_application_reports_by_its_scope_or_its_state(f2b: Producer, queue: RecordingClient) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["f2b"].report("login", note="bad password", weight=3)
        scope["state"]["f2b"].report("other")
        assert scope["state"]["mine"] == 1
        assert scope["f2b"].client == "203.0.113.7"
        await answers(401)(scope, receive, send)

    serve(F2BMiddleware(app, f2b, statuses={401: "login"}, trusted_hops=1), scope(state={"mine": 1}))
    assert reported(f2b, queue) == [("203.0.113.7", "login", "bad password", 3), ("203.0.113.7", "other", None, 1)]


@pytest.mark.parametrize("headers", [[(b"a", b"b")], [(b"x-forwarded-for", b"unknown")]])
def test_a_client_that_cannot_be_told_is_counted_and_nobody_is_reported(
    f2b: Producer, queue: RecordingClient, headers: list[tuple[bytes, bytes]]
) -> None:
    serve(F2BMiddleware(answers(404), f2b, statuses={404: "scan"}, trusted_hops=1), scope(*headers))
    assert reported(f2b, queue) == []
    assert f2b.stats().refused == {"no-client": 1}


@pytest.mark.parametrize(
    "broken", [{"headers": None}, {"client": 5}, {"headers": [(None, None)]}, {"state": None}]
)
def test_a_scope_without_sense_never_raises_into_the_application(f2b: Producer, broken: dict[str, Any]) -> None:
    app = F2BMiddleware(answers(404), f2b, statuses={404: "scan"}, trusted_proxies=["10.0.0.0/8"])
    assert len(serve(app, {**scope(), **broken})) == 2


def test_an_exception_of_the_application_counts_as_500_and_goes_on(f2b: Producer, queue: RecordingClient) -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        serve(F2BMiddleware(app, f2b, statuses={500: "crash"}, trusted_hops=1), scope())
    assert [jail for _, jail, *_ in reported(f2b, queue)] == ["crash"]


def test_an_exception_after_the_response_began_is_no_500(f2b: Producer, queue: RecordingClient) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answers(200)(scope, receive, send)
        raise LookupError

    with pytest.raises(LookupError):
        serve(F2BMiddleware(app, f2b, statuses={500: "crash"}, trusted_hops=1), scope())
    assert reported(f2b, queue) == []


def test_a_cancelled_request_is_reported_to_nobody(f2b: Producer, queue: RecordingClient) -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        serve(F2BMiddleware(app, f2b, statuses={500: "crash"}, trusted_hops=1), scope())
    assert reported(f2b, queue) == []


def test_a_stream_is_reported_when_it_begins_and_passed_on_piece_by_piece(
    f2b: Producer, queue: RecordingClient
) -> None:
    seen_at_first_chunk: list[int] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        seen_at_first_chunk.append(f2b.stats().accepted)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})

    sent = serve(F2BMiddleware(app, f2b, statuses={404: "scan"}, trusted_hops=1), scope())
    assert seen_at_first_chunk == [1]
    assert sent[1:] == [{"type": "http.response.body", "body": b"a", "more_body": True}]


@pytest.mark.parametrize("kind", ["websocket", "something.new"])
def test_what_is_not_http_passes_untouched(f2b: Producer, kind: str) -> None:
    seen: list[Any] = []

    async def app(*given: Any) -> None:
        seen.extend(given)

    request, receive, send = {"type": kind}, object(), object()

    async def run() -> None:
        await F2BMiddleware(app, f2b, statuses={404: "scan"}, trusted_hops=1)(
            request,
            receive,  # type: ignore[arg-type]
            send,  # type: ignore[arg-type]
        )

    asyncio.run(run())
    assert seen[0] is request
    assert seen[1:] == [receive, send]
    assert request == {"type": kind}


def test_a_request_is_forgotten_without_a_garbage_collection(f2b: Producer) -> None:
    class Scope(dict[str, Any]):
        """A dict that can be watched."""

    request = Scope(scope())
    app = F2BMiddleware(answers(404), f2b, statuses={404: "scan"}, trusted_hops=1)
    gone = weakref.ref(request)

    async def nothing(_message: Any = None) -> Any:
        return None

    gc.disable()
    try:
        step = app(request, nothing, nothing)
        with pytest.raises(StopIteration):
            step.__await__().send(None)
        del step, request
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "say which proxies to trust"),
        ({"trusted_hops": 1, "statuses": {"401": "login"}}, "no response status"),
        ({"trusted_hops": 1, "statuses": {40: "login"}}, "no response status"),
        ({"trusted_hops": 1, "statuses": {401: "a b"}}, "jail is not"),
        ({"trusted_hops": 1, "decide": "login"}, "decide must be a function"),
    ],
)
def test_settings_without_sense_are_named_when_it_is_made(
    f2b: Producer, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        F2BMiddleware(answers(200), f2b, **settings)
