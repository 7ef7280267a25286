"""What a platform's probes are answered."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from f2b_worker.http.listening import listen_on_port
from f2b_worker.observe import metrics
from f2b_worker.observe import server as server_module
from f2b_worker.observe.http import Pages, health_app, serve
from f2b_worker.observe.server import CONNECTIONS_MAX
from f2b_worker.testing import FakeClock
from tests.hostile import HOSTILE, SIGN, steering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric


@dataclass
class Worker:
    dead: str | None = None
    problem: str | None = None
    conflict: str | None = None

    def get(self, path: str) -> tuple[str, str]:
        """Ask the app as a server would; answer status and text."""
        answered: list[Any] = []
        app = health_app(lambda: self.dead, lambda: self.problem, lambda: self.conflict)
        environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
        body = app(environ, lambda status, headers, _info=None: answered.append((status, headers)))  # type: ignore[arg-type]
        return answered[0][0], b"".join(body).decode()


def test_a_worker_that_works_lives_and_is_ready() -> None:
    assert Worker().get("/healthz") == ("200 OK", "ok\n")
    assert Worker().get("/readyz") == ("200 OK", "ok\n")


def test_text_of_others_in_an_answer_steers_no_terminal() -> None:
    assert steering(Worker(problem=HOSTILE).get("/readyz")[1]) == []
    assert SIGN in Worker(conflict=HOSTILE).get("/readyz")[1]
    assert steering(Worker(conflict=HOSTILE).get("/readyz")[1]) == []


def test_a_worker_that_waits_for_aws_lives_and_says_in_one_line_why_it_is_not_ready() -> None:
    worker = Worker(problem="reading IP set f2b-ipv4:\nnot allowed")
    assert worker.get("/healthz")[0] == "200 OK"
    assert worker.get("/readyz") == ("503 Service Unavailable", "reading IP set f2b-ipv4: not allowed\n")


def test_what_somebody_should_see_to_is_said_and_keeps_no_worker_from_being_ready() -> None:
    worker = Worker(conflict="the worker that enforces\nis configured otherwise")
    assert worker.get("/readyz") == ("200 OK", "ok, but the worker that enforces is configured otherwise\n")
    assert worker.get("/healthz") == ("200 OK", "ok\n")
    worker.problem = "queue f2b: no answer"
    assert worker.get("/readyz") == ("503 Service Unavailable", "queue f2b: no answer\n")


def test_a_worker_of_which_a_part_died_does_not_live() -> None:
    assert Worker(dead="a part died").get("/healthz") == ("503 Service Unavailable", "a part died\n")


@pytest.mark.parametrize("path", ["/metrics", "/"])
def test_the_metrics_are_where_they_were(path: str) -> None:
    metrics.messages_settled.inc(0)
    status, text = Worker(dead="x", problem="y").get(path)
    assert status == "200 OK"
    assert "f2b_messages_settled_total" in text


def test_a_page_that_takes_long_to_make_is_given_again_for_nine_times_as_long() -> None:
    clock, made = FakeClock(), []

    class TakesASecond:
        def collect(self) -> Iterator[Metric]:
            made.append(clock.monotonic_s())
            clock.advance(1)
            return iter(())

    registry = CollectorRegistry(auto_describe=False)
    registry.register(TakesASecond())
    pages = Pages(registry, clock.monotonic_s)
    made.clear()
    for accept in ("", "text/plain", "*/*; nonsense"):
        assert pages.page(accept)[0].startswith("text/plain")
    assert len(made) == 1
    for accept in ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; q=0.5"):
        assert pages.page(accept)[0].startswith("application/openmetrics-text")
    assert len(made) == 2
    clock.advance(7.9)
    pages.page("")
    assert len(made) == 2
    clock.advance(0.1)
    pages.page("")
    assert len(made) == 3


@pytest.fixture
def served() -> Iterator[str]:
    server = serve(listen_on_port("127.0.0.1", 0), health_app(lambda: None, lambda: "no access"))
    yield f"http://127.0.0.1:{server.port}"
    server.end()


def test_it_is_served_over_http(served: str, capfd: pytest.CaptureFixture[str]) -> None:
    with urllib.request.urlopen(f"{served}/healthz", timeout=10) as answer:
        assert (answer.status, answer.read()) == (200, b"ok\n")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{served}/readyz", timeout=10)
    with refused.value as error:
        assert (error.code, error.read()) == (503, b"no access\n")
    assert capfd.readouterr().err == ""


def test_who_connects_and_asks_nothing_is_cut_off_and_no_news(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server_module, "ASKS_WITHIN_S", 0.01)
    server = serve(listen_on_port("127.0.0.1", 0), health_app(lambda: None, lambda: None))
    try:
        with socket.create_connection(("127.0.0.1", server.port), 30) as silent:
            assert silent.recv(1) == b""
    finally:
        server.end()
    assert capfd.readouterr().err == ""


def test_many_connections_that_ask_nothing_keep_no_probe_from_its_answer() -> None:
    server = serve(listen_on_port("127.0.0.1", 0), health_app(lambda: None, lambda: None))
    try:
        with ExitStack() as stack:
            for _ in range(2 * CONNECTIONS_MAX):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=30) as answer:
                assert answer.read() == b"ok\n"
            assert len(server) <= CONNECTIONS_MAX
    finally:
        server.end()
