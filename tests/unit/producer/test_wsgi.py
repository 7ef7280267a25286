import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from f2b_producer import Producer
from f2b_producer.testing import RecordingClient
from f2b_producer.wsgi import F2BMiddleware

App = Callable[[Any, Any], Iterable[bytes]]


def reported(f2b: Producer, queue: RecordingClient) -> list[tuple[str, str]]:
    assert f2b.flush()
    return [(seen.ip, seen.jail) for seen in queue.infractions()]


class Server:
    """Calls an application as a WSGI server does."""

    def __init__(self, app: App, **environ: str) -> None:
        self.statuses: list[str] = []
        environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "6.6.6.6,203.0.113.7", **environ}
        self.body = app(environ, self.start_response)

    def start_response(self, status: str, _headers: Any, _exc_info: Any = None) -> Callable[[bytes], object]:
        self.statuses.append(status)
        return lambda _: None


def answers(status: str, body: Iterable[bytes] = (b"",)) -> App:
    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, [])
        return body

    return app


@pytest.mark.parametrize(
    ("status", "jails"), [("401 Unauthorized", ["login"]), ("404", ["scan"]), ("200 OK", []), ("what", [])]
)
def test_a_response_is_reported_to_the_jail_of_its_status(
    f2b: Producer, queue: RecordingClient, status: str, jails: list[str]
) -> None:
    app = F2BMiddleware(answers(status), f2b, statuses={401: "login", 404: "scan"}, trusted_hops=1)
    assert Server(app).statuses == [status]
    assert reported(f2b, queue) == [("203.0.113.7", jail) for jail in jails]


def test_the_application_reports_by_its_environ_and_its_status_does_not_repeat_it(
    f2b: Producer, queue: RecordingClient
) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["f2b"].report("login")
        start_response("401 Unauthorized", [])
        return []

    Server(F2BMiddleware(app, f2b, statuses={401: "login"}, trusted_hops=1))
    assert reported(f2b, queue) == [("203.0.113.7", "login")]


def test_decide_sees_status_and_environ(f2b: Producer, queue: RecordingClient) -> None:
    app = F2BMiddleware(
        answers("403 Forbidden"),
        f2b,
        decide=lambda status, environ: f"{status}{environ['PATH_INFO']}",
        trusted_hops=0,
    )
    Server(app, PATH_INFO="-admin")
    assert reported(f2b, queue) == [("10.0.0.1", "403-admin")]


def test_a_client_that_cannot_be_told_is_counted_and_nobody_is_reported(
    f2b: Producer, queue: RecordingClient
) -> None:
    Server(F2BMiddleware(answers("404"), f2b, statuses={404: "scan"}, trusted_hops=3))
    assert reported(f2b, queue) == []
    assert f2b.stats().refused == {"no-client": 1}


def test_a_body_that_has_begun_is_passed_on_as_the_object_it_is(f2b: Producer) -> None:
    body = FileWrapper(io.BytesIO(b"large"))
    server = Server(F2BMiddleware(answers("200 OK", body), f2b, trusted_hops=1))
    assert server.body is body


def test_an_exception_of_the_application_counts_as_500_and_goes_on(f2b: Producer, queue: RecordingClient) -> None:
    def app(_environ: Any, _start_response: Any) -> Iterable[bytes]:
        raise LookupError

    with pytest.raises(LookupError):
        Server(F2BMiddleware(app, f2b, statuses={500: "crash"}, trusted_hops=1))
    assert reported(f2b, queue) == [("203.0.113.7", "crash")]


def test_a_generator_that_starts_its_response_late_is_reported_streamed_and_closed(
    f2b: Producer, queue: RecordingClient
) -> None:
    steps: list[str] = []

    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        try:
            start_response("404 Not Found", [])
            steps.append("first")
            yield b"a"
            steps.append("second")
            yield b"b"
        finally:
            steps.append("closed")

    server = Server(F2BMiddleware(app, f2b, statuses={404: "scan", 500: "crash"}, trusted_hops=1))
    chunks = iter(server.body)
    assert (next(chunks), steps) == (b"a", ["first"])
    server.body.close()  # type: ignore[attr-defined]
    assert steps == ["first", "closed"]
    assert reported(f2b, queue) == [("203.0.113.7", "scan")]


@pytest.mark.parametrize(("begun", "jails"), [(True, []), (False, ["crash"])])
def test_an_exception_of_a_generator_is_500_only_before_its_response_began(
    f2b: Producer, queue: RecordingClient, begun: bool, jails: list[str]
) -> None:
    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        if begun:
            start_response("200 OK", [])
            yield b""
        raise LookupError

    server = Server(F2BMiddleware(app, f2b, statuses={500: "crash"}, trusted_hops=1))
    with pytest.raises(LookupError):
        list(server.body)
    assert [jail for _, jail in reported(f2b, queue)] == jails


def test_a_body_without_close_may_be_closed(f2b: Producer) -> None:
    def app(_environ: Any, _start_response: Any) -> Iterable[bytes]:
        return [b"a"]

    body = Server(F2BMiddleware(app, f2b, trusted_hops=1)).body
    assert list(body) == [b"a"]
    body.close()  # type: ignore[attr-defined]


def test_a_status_that_an_error_handler_changes_is_reported_once(f2b: Producer, queue: RecordingClient) -> None:
    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("500 Internal Server Error", [], (LookupError, LookupError(), None))
        start_response("500 Internal Server Error", [], (LookupError, LookupError(), None))
        return []

    Server(F2BMiddleware(app, f2b, statuses={500: "crash"}, trusted_hops=1))
    assert reported(f2b, queue) == [("203.0.113.7", "crash")]


def test_it_refuses_to_guess_whom_to_trust(f2b: Producer) -> None:
    with pytest.raises(ValueError, match="say which proxies to trust"):
        F2BMiddleware(answers("200 OK"), f2b)
