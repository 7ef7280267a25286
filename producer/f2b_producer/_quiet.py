"""Keeps what the client logs while it sends for us away from the application's log handlers.

botocore logs every message body at DEBUG. A handler that reports what it reads would report that again, for ever,
and one that raises would end every call. Behind a QueueHandler, nobody can tell any more what caused a record.
So such records go no further than their logger. What went wrong stands in the line that we log ourselves.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOGGERS = ("botocore", "urllib3")

# Not the thread's id: under gevent and eventlet many greenlets may share one, but each has a context of its own.
_sending: ContextVar[bool] = ContextVar("f2b_sending", default=False)


@contextmanager
def sending() -> Iterator[None]:
    """Say that what this thread does meanwhile is our sending."""
    token = _sending.set(True)
    try:
        yield
    finally:
        _sending.reset(token)


def hush() -> None:
    """Have the client's loggers pass on nothing from our sending; all else is logged as before.

    A filter sees only what is logged to its very logger, so each gets it. One that has it gets no second.
    """
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] in LOGGERS and isinstance(logger, logging.Logger):
            logger.addFilter(_is_not_ours)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return not _sending.get()
