"""Keeps what is logged while we send from becoming reports, and log handlers that raise from ending it.

botocore logs every message body at DEBUG. A handler that reports what it reads would report that again, for ever,
and one that raises would end every call. Behind a QueueHandler, nobody can tell any more what caused a record.
So what botocore and urllib3 log in our sending goes no further than their loggers; what went wrong stands in the
line that we log ourselves. Of what others log meanwhile, such as a tracer, a report is refused.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOGGERS = ("botocore", "urllib3")

# Not the thread's id: under gevent and eventlet many greenlets may share one, but each has a context of its own.
_sending: ContextVar[bool] = ContextVar("f2b_sending", default=False)
# One of each thread that sends. Every report looks at it, and only few must ask further. Threads change it without
# a lock, so each takes out its own.
under_way: set[object] = set()


@contextmanager
def sending() -> Iterator[None]:
    """Say that what this thread does meanwhile is our sending."""
    token, ours = _sending.set(True), object()
    under_way.add(ours)
    try:
        yield
    finally:
        under_way.discard(ours)  # a forked child has forgotten it
        _sending.reset(token)


def hush() -> None:
    """Have the client's loggers pass on nothing from our sending; all else is logged as before.

    A filter sees only what is logged to its very logger, so each gets it. One that has it gets no second.
    """
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] in LOGGERS and isinstance(logger, logging.Logger):
            logger.addFilter(_is_not_ours)


def is_own_record() -> bool:
    """Whether a log handler called us for what was logged in our sending."""
    frame = sys._getframe() if _sending.get() else None  # noqa: SLF001 - documented, and `inspect` is a large module
    while frame:
        if frame.f_globals.get("__name__") == "logging":
            return True
        frame = frame.f_back
    return False


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return not _sending.get()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=under_way.clear)  # the threads that sent are not there
