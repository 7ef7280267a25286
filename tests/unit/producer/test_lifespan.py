"""What is buffered when an ASGI server stops, with applications that know lifespan and others that do not."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from f2b_producer import Producer
from f2b_producer.asgi import F2BMiddleware, SendAtShutdown
from f2b_producer.testing import RecordingClient

App = Callable[[Any, Any, Any], Awaitable[None]]
STARTED, STOPPED = "lifespan.startup.complete", "lifespan.shutdown.complete"


@pytest.fixture
def queue() -> RecordingClient:
    return RecordingClient()


@pytest.fixture
def f2b(queue: RecordingClient) -> Iterator[Producer]:
    producer = Producer("memory:", client=queue, linger_s=3_599, flush_timeout_s=60)
    yield producer
    producer.close(0)


class Server:
    """Starts an application, serves, and stops it, as servers do; *said* is what it was told."""

    def __init__(self, serve: Callable[[], object] = lambda: None) -> None:
        self.said: list[str] = []
        self._serve = serve
        self._heard = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive(self) -> dict[str, str]:
        kind = next(self._heard)
        if kind == "lifespan.shutdown":
            assert self.said == [STARTED]
            self._serve()
        return {"type": kind}

    async def send(self, message: dict[str, Any]) -> None:
        assert message["type"].startswith("lifespan.")  # as uvicorn does
        self.said.append(message["type"])

    def run(self, app: App) -> None:
        async def live() -> None:
            await app({"type": "lifespan", "state": {}}, self.receive, self.send)

        asyncio.run(live())


def with_lifespan(
    at_start: Callable[[], object] = lambda: None, at_stop: Callable[[], object] = lambda: None
) -> App:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        at_start()
        await send({"type": STARTED})
        await receive()
        at_stop()
        await send({"type": STOPPED})

    return app


async def raises_at_once(_scope: Any, _receive: Any, _send: Any) -> None:
    raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")


async def returns_at_once(_scope: Any, _receive: Any, _send: Any) -> None:
    return


async def takes_it_for_a_request(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200})


async def returns_when_it_has_started(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": STARTED})


async def returns_when_it_has_heard_all(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": STARTED})
    await receive()


@pytest.mark.parametrize("wrap", [SendAtShutdown, "middleware"])
def test_what_is_buffered_is_sent_before_the_application_hears_that_the_server_stops(
    f2b: Producer, queue: RecordingClient, wrap: Any
) -> None:
    heard: list[int] = []
    app = with_lifespan(at_stop=lambda: heard.append(len(queue.infractions())))
    server = Server(lambda: f2b.report("203.0.113.7"))

    server.run(F2BMiddleware(app, f2b, trusted_hops=1) if wrap == "middleware" else wrap(app))

    assert heard == [1]
    assert server.said == [STARTED, STOPPED]


def test_what_the_application_reports_while_it_stops_is_sent_before_the_server_hears_of_it(
    f2b: Producer, queue: RecordingClient
) -> None:
    class Stopping(Server):
        async def send(self, message: dict[str, Any]) -> None:
            if message["type"] == STOPPED:
                self.arrived = [seen.ip for seen in queue.infractions()]
            await super().send(message)

    server = Stopping(lambda: f2b.report("203.0.113.7"))
    server.run(SendAtShutdown(with_lifespan(at_stop=lambda: f2b.report("203.0.113.8"))))

    assert server.arrived == ["203.0.113.7", "203.0.113.8"]


@pytest.mark.parametrize(
    "app",
    [
        raises_at_once,
        returns_at_once,
        takes_it_for_a_request,
        returns_when_it_has_started,
        returns_when_it_has_heard_all,
    ],
)
def test_for_an_application_without_lifespan_the_server_is_answered_and_all_is_sent(
    f2b: Producer, queue: RecordingClient, app: App
) -> None:
    server = Server(lambda: f2b.report("203.0.113.7"))

    server.run(SendAtShutdown(app))

    assert server.said == [STARTED, STOPPED]
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7"]


def test_an_application_that_fails_to_start_is_not_made_to_look_well() -> None:
    def fail() -> None:
        raise ConnectionError("no database")

    server = Server()
    with pytest.raises(ConnectionError, match="no database"):
        server.run(SendAtShutdown(with_lifespan(at_start=fail)))
    assert server.said == []


@pytest.mark.parametrize("error", [None, ConnectionError("no database")])
def test_an_application_that_says_it_failed_to_start_has_failed(error: Exception | None) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        if error:
            raise error

    server = Server()
    with pytest.raises(ConnectionError) if error else contextlib.nullcontext():
        server.run(SendAtShutdown(app))
    assert server.said == ["lifespan.startup.failed"]


def test_an_application_that_fails_to_stop_fails_after_all_is_sent(f2b: Producer, queue: RecordingClient) -> None:
    def fail() -> None:
        f2b.report("203.0.113.8")
        raise ConnectionError("no database")

    server = Server(lambda: f2b.report("203.0.113.7"))
    with pytest.raises(ConnectionError, match="no database"):
        server.run(SendAtShutdown(with_lifespan(at_stop=fail)))
    assert server.said == [STARTED]
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7", "203.0.113.8"]


class SlowQueue(RecordingClient):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let = threading.Event(), threading.Event()

    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        self.asked.set()
        assert self.let.wait(60)
        return super().send_message_batch(**call)


@pytest.mark.parametrize("busy", [False, True])
def test_the_event_loop_goes_on_while_it_sends_even_when_all_threads_of_the_loop_are_busy(*, busy: bool) -> None:
    queue = SlowQueue()
    f2b = Producer("memory:", client=queue, linger_s=3_599, flush_timeout_s=60)
    server = Server(lambda: f2b.report("203.0.113.7"))
    done = threading.Event()

    async def live() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        if busy:
            loop.run_in_executor(None, done.wait)
        life = asyncio.create_task(
            SendAtShutdown(with_lifespan())({"type": "lifespan"}, server.receive, server.send)  # type: ignore[arg-type]
        )
        while not queue.asked.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0)
        assert not life.done()
        queue.let.set()  # by the loop, which would not come here if it waited
        await life
        done.set()

    asyncio.run(live())
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7"]
    assert f2b.close()


def test_an_application_that_waits_for_the_shutdown_in_short_turns_still_hears_of_it() -> None:
    queue = SlowQueue()
    f2b = Producer("memory:", client=queue, linger_s=3_599, flush_timeout_s=60)
    server = Server(lambda: f2b.report("203.0.113.7"))

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": STARTED})
        asking = asyncio.ensure_future(receive())
        while not queue.asked.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0)
        asking.cancel()  # its time is over, while what is buffered is sent
        queue.let.set()
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": STOPPED})

    server.run(SendAtShutdown(app))
    assert server.said == [STARTED, STOPPED]
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7"]
    assert f2b.close()


def test_where_no_thread_can_be_started_it_sends_all_the_same(
    queue: RecordingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    f2b = Producer("memory:", client=queue)
    server = Server(lambda: f2b.report("203.0.113.7"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        server.run(SendAtShutdown(returns_at_once))
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7"]
    assert f2b.close()


def test_what_could_not_be_sent_when_the_server_stops_is_told_once_and_stays(
    f2b: Producer, queue: RecordingClient, caplog: pytest.LogCaptureFixture
) -> None:
    queue.down = ConnectionError("away")

    def serve() -> None:
        f2b.report("203.0.113.7")
        f2b.report("203.0.113.8")

    server = Server(serve)

    server.run(SendAtShutdown(with_lifespan()))
    assert f2b.stats().buffered == 2
    f2b.close(0)

    lines = [line for line in caplog.messages if "unsent" in line]
    assert lines == ["stopping with 2 infractions unsent: ConnectionError: away"]


def test_every_producer_of_the_process_sends_when_the_server_stops(f2b: Producer, queue: RecordingClient) -> None:
    second = RecordingClient()
    with Producer("memory:", client=second, linger_s=3_599) as other:

        def serve() -> None:
            f2b.report("203.0.113.7")
            other.report("203.0.113.8")

        server = Server(serve)
        server.run(SendAtShutdown(returns_at_once))
        assert [seen.ip for seen in queue.infractions() + second.infractions()] == ["203.0.113.7", "203.0.113.8"]
