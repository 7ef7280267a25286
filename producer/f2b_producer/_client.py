from __future__ import annotations

import sys

# Not `socket`, as in _infraction.py.
from _socket import gethostname

from f2b_producer._infraction import JAIL_CHARACTERS, JAIL_MAX_CHARACTERS, RefusedError, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from ipaddress import IPv4Address, IPv6Address
    from types import TracebackType
    from typing import Literal, Self

    from f2b_producer._pump import Pump
    from f2b_producer._queue import QueueClient
    from f2b_producer._stats import Health, Stats

GROUP_ID_MAX_CHARACTERS = 128
FIFO_REFUSED = "a FIFO queue, where one bad message holds up all others of its group: use a standard queue"


def is_fifo(queue_url: str) -> bool:
    """Whether *queue_url* names a FIFO queue: SQS takes no other queue of such a name."""
    return queue_url.rstrip("/").endswith(".fifo")


class Producer:
    """Reports infractions to f2b's queue from a background thread.

    Make one for each process and keep it. Making it starts nothing: the thread, and boto3 when no client is
    given, come with the first report, so it may be made before a server forks its workers. It may be used
    from any thread and from asyncio code; `report` also from signal handlers.

    Args:
        queue_url: The SQS queue's URL.
        client: Anything with boto3's ``send_message_batch(QueueUrl=, Entries=)``. None makes an SQS client
            with short timeouts from the standard AWS settings, for the region that the URL names.
        max_buffered: Infractions kept at most while the queue is away, those in flight included; about
            200 bytes each and the note.
        overflow: What happens when the buffer is full: "drop_oldest" drops the oldest waiting infraction and
            counts it; "block" first lets `report` wait for room, for at most *block_timeout_s*. That is for
            programs that read logs or queues. In a thread that runs an asyncio loop it never waits.
        block_timeout_s: Seconds that one report waits for room; then the oldest is dropped after all.
        linger_s: Seconds that an infraction waits for others, so that they share a message.
        flush_timeout_s: Seconds that `flush`, `close` and the end of the process wait at most; the end of the
            process waits a second at most for a queue that is away.
        send_at_sigterm: Whether SIGTERM first sends what is buffered, and then does what it did before, for
            servers that it ends without exit hooks: waitress, Flask's own. Make the producer in the main
            thread then.
        reporter: Who reports, 1-64 of ``A-Z a-z 0-9 . _ -``, so that people see where a ban came from, and whose
            clock is wrong; it is never judged. None is this machine's name, "" says nothing.
        message_group_id: Sent with each message: on a fair queue, one application's flood then delays its own
            messages and not those of others. 1-128 printable ASCII characters without space.

    Raises:
        ValueError: If a setting makes no sense, or SIGTERM cannot be handled here.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        queue_url: str,
        *,
        client: QueueClient | None = None,
        max_buffered: int = 25_000,
        overflow: Literal["drop_oldest", "block"] = "drop_oldest",
        block_timeout_s: float = 0.5,
        linger_s: float = 0.2,
        flush_timeout_s: float = 5.0,
        message_group_id: str | None = None,
        reporter: str | None = None,
        send_at_sigterm: bool = False,
    ) -> None:
        if not isinstance(queue_url, str) or not queue_url:
            raise ValueError("queue_url must be the URL of an SQS queue")
        if is_fifo(queue_url):
            raise ValueError(f"queue_url names {FIFO_REFUSED}")
        if max_buffered < 2:
            raise ValueError("max_buffered must be at least 2 infractions")
        if overflow not in {"drop_oldest", "block"}:
            raise ValueError('overflow must be "drop_oldest" or "block"')
        if not (0 <= linger_s < 3_600 and 0 <= flush_timeout_s < 86_400 and 0 < block_timeout_s < 3_600):
            raise ValueError(
                "linger_s must be 0 to 3,600 s, flush_timeout_s 0 to 86,400 s and block_timeout_s 0 to 3,600 s"
            )
        if message_group_id is not None and not _is_group_id(message_group_id):
            raise ValueError("message_group_id must be 1-128 printable ASCII characters without space")
        if reporter is not None and not is_reporter(reporter):
            raise ValueError("reporter must be 1-64 of A-Z a-z 0-9 . _ -, or empty")
        # Here and not above, so that importing this package costs little; here and not in the thread, so that
        # neither a request nor a fork meets a half-done import.
        from f2b_producer._lifetime import attend  # noqa: PLC0415
        from f2b_producer._sender import Sender  # noqa: PLC0415
        from f2b_producer._states import count_producer  # noqa: PLC0415

        self._flush_timeout_s = flush_timeout_s
        self._pump = _pump_here()(
            Sender(queue_url, client, message_group_id=message_group_id),
            max_buffered=max_buffered,
            linger_s=linger_s,
            block_timeout_s=block_timeout_s if overflow == "block" else None,
            reporter=_machine() if reporter is None else reporter,
        )
        attend(self, self._pump, flush_timeout_s)
        if client is None:
            count_producer(queue_url)
        if send_at_sigterm:
            from f2b_producer._sigterm import send_first  # noqa: PLC0415 - for those who asked

            send_first()

    def report(  # noqa: PLR0913 - the fields of an infraction
        self,
        ip: str | IPv4Address | IPv6Address,
        jail: str = "default",
        at: datetime | float | None = None,
        note: str | None = None,
        *,
        weight: int = 1,
        identity: str | None = None,
    ) -> None:
        """Take note of one infraction and return at once.

        It never waits, unless ``overflow="block"`` was chosen and the buffer is full, and it never raises. What
        cannot be sent is counted in `Stats.refused` by reason.

        Args:
            ip: One IPv4 or IPv6 address.
            jail: The policy to judge by: 1-64 of ``A-Z a-z 0-9 . _ -``.
            at: When it happened: a datetime with a time zone, or epoch seconds. None is now.
            note: A word for people, cut to 200 characters; never judged.
            weight: For how many infractions this one counts, 1 to 1000.
            identity: What names it, if it may be reported again: 1-64 printable ASCII characters. The same
                identity, address, jail and time are the same infraction. None: each report is another one.
        """
        pump = self._pump
        try:
            if pump.closed:
                pump.refuse("closed")
            else:
                pump.put(read(ip, jail, at, note, weight, identity))
        except RefusedError as refused:
            pump.refuse(refused.reason)
        except Exception:  # noqa: BLE001 - the caller serves a request: nothing may leave here
            pump.refuse("unreadable")

    def warm_up(self) -> bool:
        """Load boto3, make the client and find its credentials now, in this thread: some tenths of a second.

        Without it the background thread does so at the first report, while the others go on, but now and then
        an event loop has to wait 40 to 150 ms. So call it where a worker process starts. It never raises. Where
        nothing answers that is asked for credentials, it takes some seconds.

        Returns:
            Whether there are a client and credentials. The queue is not asked. After False, the first report
            tries again and logs what is missing. A client that was given needs nothing: that is True.
        """
        return self._pump.warm_up()

    def refuse(self, reason: str) -> None:
        """Count a report that could not even be made; the middleware's way to say so.

        Args:
            reason: A key of `REASONS`.
        """
        self._pump.refuse(reason)

    def stats(self) -> Stats:
        """Return what became of the reports of this process; a forked child counts from zero."""
        return self._pump.stats()

    def health(self) -> Health:
        """Return how the sending goes: whether the queue answers, how old and how many those that wait are."""
        return self._pump.health()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything reported so far is sent.

        Args:
            timeout_s: Seconds to wait at most; None is `flush_timeout_s`.

        Returns:
            Whether all of it was sent in time and nothing was dropped meanwhile. What was not sent stays
            buffered.
        """
        return self._pump.flush(self._flush_timeout_s if timeout_s is None else timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """Flush and end the thread; later reports are refused as "closed". Closing twice is harmless.

        The end of the process does this too, also that of a child of multiprocessing or Celery, but not a plain
        ``os._exit``.

        Args:
            timeout_s: Seconds to wait at most; None is `flush_timeout_s`.

        Returns:
            Whether everything was sent. What was not is counted as dropped and logged.
        """
        return self._pump.close(self._flush_timeout_s if timeout_s is None else timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pump_here() -> type[Pump]:
    if "uwsgi" in sys.modules:  # which is there in uWSGI's own processes only
        from f2b_producer._uwsgi import UwsgiPump  # noqa: PLC0415 - as above

        return UwsgiPump
    from f2b_producer._pump import Pump  # noqa: PLC0415 - as above

    return Pump


def is_reporter(text: object) -> bool:
    """Whether *text* can name who reports; "" names nobody."""
    return isinstance(text, str) and len(text) <= JAIL_MAX_CHARACTERS and not text.strip(JAIL_CHARACTERS)


def _machine() -> str:
    """Return this machine's name as a reporter may be named."""
    name = gethostname()[:JAIL_MAX_CHARACTERS]
    return "".join(character if character in JAIL_CHARACTERS else "-" for character in name)


def _is_group_id(text: object) -> bool:
    return (
        isinstance(text, str)
        and 1 <= len(text) <= GROUP_ID_MAX_CHARACTERS
        and all("!" <= character <= "~" for character in text)
    )
