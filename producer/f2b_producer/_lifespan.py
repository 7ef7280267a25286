"""The life of an ASGI server, in which what is buffered is sent at its end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

_STARTED = "lifespan.startup.complete"
_SHUTDOWN = "lifespan.shutdown"
_LAST = ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed")

_begun = False  # whether a server of this process will say when it stops
missed = False  # whether one serves requests, and will not


def look() -> None:
    """At a request, say once if the server will end without a word to us, and without exit hooks."""
    global missed  # noqa: PLW0603 - of this process, as its server is
    if _begun or missed:
        return
    missed = True
    from f2b_producer._ground import AT_SHUTDOWN, find  # noqa: PLC0415 - an import of the package stays cheap
    from f2b_producer._states import warn_of_stop  # noqa: PLC0415 - as above

    ground = find()
    if ground.advice == AT_SHUTDOWN:
        warn_of_stop(ground.server, f"put {AT_SHUTDOWN} around the outermost application, and leave lifespan on")


class Lifespan:
    """Stands between a server and an application, and answers the server for one that has no lifespan.

    Args:
        receive: The server's.
        send: The server's.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._heard: str | None = None  # of the server, the last
        self._said: str | None = None  # by the application, the last
        self._untold: Message | None = None  # the server's, which the application has not got yet

    async def serve(self, app: App, scope: Scope) -> None:
        """Let *app* live as long as the server."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if self._knows_lifespan():
                await self._stop_if_told()
                raise
            _say("the application has no lifespan, so f2b answers the server: %r", error)
        if self._said not in _LAST:
            await self._answer()

    async def receive(self) -> Message:
        """Hand on what the server says; send what is buffered before it is the end."""
        message = self._untold or await self._receive()
        self._heard = message["type"]
        # An application may wait for a moment only, and ask again: what it waited for must not be gone then.
        self._untold = message
        await self._stop_if_told()
        self._untold = None
        return message

    async def send(self, message: Message) -> None:
        """Hand on what the application says; send what it reported while it shut down."""
        global _begun  # noqa: PLW0603 - as above
        self._said = message["type"]
        await self._stop_if_told()
        await self._send(message)
        _begun = _begun or self._said == _STARTED

    async def _stop_if_told(self) -> None:
        if self._heard == _SHUTDOWN:
            await _stop()

    def _knows_lifespan(self) -> bool:
        # One that looks at no scope takes the first message for a request, and answers it.
        return self._heard is not None if self._said is None else self._said.startswith("lifespan.")

    async def _answer(self) -> None:
        """Say what the server waits for, for an application that returned before it did."""
        if self._said != _STARTED:
            if self._heard is None:
                await self.receive()
            await self.send({"type": _STARTED})
        if self._heard != _SHUTDOWN:
            await self.receive()
        await self.send({"type": "lifespan.shutdown.complete"})


async def _stop() -> None:
    from f2b_producer._lifetime import stop_all  # noqa: PLC0415 - there is no producer before the first is made

    try:
        await _in_thread(stop_all)
    except RuntimeError:  # no asyncio but trio, or no more threads: no request is served any more that could wait
        stop_all()


async def _in_thread(work: Callable[[], None]) -> None:
    """Do *work* in a thread of its own: those of the event loop may all be busy with the application's."""
    import asyncio  # noqa: PLC0415 - who runs a loop has loaded it
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - as above

    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(1, "f2b-producer-stop")
    try:
        await loop.run_in_executor(threads, work)
    finally:
        threads.shutdown(wait=False)


def _say(message: str, *args: object) -> None:
    import logging  # noqa: PLC0415 - an import of the package stays cheap

    logging.getLogger("f2b_producer").info(message, *args)
