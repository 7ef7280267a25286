"""Keeps forks and the loading of boto3 apart.

A child that is forked while another thread imports a module can never import that module itself: it has half of
it, and waits for ever for a lock whose owner it does not have.
"""

import codecs
import contextlib
import logging  # its own hook before a fork must run after ours, so it is registered first: loading may log
import os
import threading
from collections.abc import Iterator

FORK_WAIT_S = 10.0  # loading takes 0.2 to 0.7 s, and some seconds where credentials are asked for over the network

_log = logging.getLogger("f2b_producer")


class _Gate:
    """One at a time: whoever loads, or whoever forks."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        # Reentrant: what is loaded may fork in the very thread that loads it, for example for credentials.
        self._lock = threading.RLock()
        self._made_for = self._here()

    def lock(self) -> "threading.RLock":
        if self._made_for != self._here():
            self.renew()
        return self._lock

    def _here(self) -> tuple[int, object]:
        # Nobody tells of a fork without Python's hooks, or of gevent and eventlet, which patch at any time.
        return os.getpid(), threading.Lock


_gate = _Gate()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Let forks wait while the block imports modules."""
    with _gate.lock():
        # Looking up a host name loads it at the first send, whatever the client.
        codecs.lookup("idna")
        yield


def _before_fork() -> None:
    if not _gate.lock().acquire(timeout=FORK_WAIT_S):
        _log.warning(
            "forking although boto3 has been loading for %.0f s: the child may be unable to send. "
            "Call warm_up() before you fork",
            FORK_WAIT_S,
        )


def _after_fork_in_parent() -> None:
    with contextlib.suppress(RuntimeError):  # it was not to be had in time
        _gate.lock().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_gate.renew)
