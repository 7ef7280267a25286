import atexit
import os
import time
import weakref
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from f2b_producer._infraction import RefusedError, read
from f2b_producer._pump import Pump
from f2b_producer._sender import QueueClient, Sender
from f2b_producer._stats import Stats

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


class Producer:
    """Reports infractions to f2b's queue from a background thread.

    Make one for each process and keep it. Making it costs nothing: the thread, and boto3 when no client is
    given, come with the first report, so it may be made before a server forks its workers. It may be used
    from any thread and from asyncio code; `report` also from signal handlers.

    Args:
        queue_url: The SQS queue's URL.
        client: Anything with boto3's ``send_message_batch(QueueUrl=, Entries=)``. None makes an SQS client
            with short timeouts from the standard AWS settings, for the region that the URL names.
        max_buffered: Infractions kept at most while the queue is away, those in flight included; about
            170 bytes each and the note. When full, the oldest waiting one is dropped and counted.
        linger_s: Seconds that an infraction waits for others, so that they share a message.
        flush_timeout_s: Seconds that `flush`, `close` and the end of the process wait at most.

    Raises:
        ValueError: If a setting makes no sense.
    """

    def __init__(
        self,
        queue_url: str,
        *,
        client: QueueClient | None = None,
        max_buffered: int = 100_000,
        linger_s: float = 0.2,
        flush_timeout_s: float = 5.0,
    ) -> None:
        if not isinstance(queue_url, str) or not queue_url:
            raise ValueError("queue_url must be the URL of an SQS queue")
        if max_buffered < 2:
            raise ValueError("max_buffered must be at least 2 infractions")
        if not (0 <= linger_s < 3_600 and 0 <= flush_timeout_s < 86_400):
            raise ValueError("linger_s must be 0 to 3,600 s and flush_timeout_s 0 to 86,400 s")
        self._flush_timeout_s = flush_timeout_s
        self._pump = Pump(Sender(queue_url, client), max_buffered=max_buffered, linger_s=linger_s)
        _flush_timeouts_s[self._pump] = flush_timeout_s
        weakref.finalize(self, self._pump.retire).atexit = False  # _close_all does more, in order

    def report(
        self,
        ip: "str | IPv4Address | IPv6Address",
        jail: str = "default",
        at: datetime | float | None = None,
        note: str | None = None,
        *,
        weight: int = 1,
    ) -> None:
        """Take note of one infraction and return at once.

        It never waits and never raises. What cannot be sent is counted in `Stats.refused` by reason.

        Args:
            ip: One IPv4 or IPv6 address.
            jail: The policy to judge by: 1-64 of ``A-Z a-z 0-9 . _ -``.
            at: When it happened: a datetime with a time zone, or epoch seconds. None is now.
            note: A word for people, cut to 200 characters; never judged.
            weight: For how many infractions this one counts, 1 to 1000.
        """
        pump = self._pump
        try:
            if pump.closed:
                pump.refuse("closed")
            else:
                pump.put(read(ip, jail, at, note, weight))
        except RefusedError as refused:
            pump.refuse(refused.reason)
        except Exception:  # noqa: BLE001 - the caller serves a request: nothing may leave here
            pump.refuse("unreadable")

    def stats(self) -> Stats:
        """Return what became of the reports of this process; a forked child counts from zero."""
        return self._pump.stats()

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

        The end of the process does this too (not after ``os._exit``, which multiprocessing uses).

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


# A pump lives as long as its producer or its thread.
_flush_timeouts_s: "weakref.WeakKeyDictionary[Pump, float]" = weakref.WeakKeyDictionary()


def _close_all() -> None:
    started_s = time.monotonic()
    for pump, timeout_s in list(_flush_timeouts_s.items()):
        pump.close(max(0.0, started_s + timeout_s - time.monotonic()))


def _begin_in_child() -> None:
    for pump in list(_flush_timeouts_s):
        pump.begin_in_child()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
