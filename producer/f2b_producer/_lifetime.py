"""What the end of a process and a fork mean for the pumps that live in it."""

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

from f2b_producer._ground import is_child_of
from f2b_producer._states import end_words

if TYPE_CHECKING:
    from collections.abc import Callable


class Ending(Protocol):
    """What has to send when its process ends, and to start afresh when that has forked: a pump."""

    def begin_in_child(self) -> None: ...
    def urge(self) -> None: ...
    def stop(self, timeout_s: float, patience_s: float) -> object: ...
    def close(self, timeout_s: float, patience_s: float) -> object: ...
    def retire(self, timeout_s: float) -> object: ...


# At the end of a process: a queue in the same Region answers in milliseconds, and a worker that is recycled
# serves nobody until it has ended.
AWAY_PATIENCE_S = 1.0
# After all finalizers of others, which may report: multiprocessing's own are from -5 to 100.
LAST = -100

# A pump lives as long as its producer or its thread.
_flush_timeouts_s: "weakref.WeakKeyDictionary[Ending, float]" = weakref.WeakKeyDictionary()
_hooked = False


def attend(producer: object, pump: Ending, flush_timeout_s: float) -> None:
    """Close *pump* at the end of the process, empty it in a forked child, retire it when *producer* is gone."""
    if (uwsgi := sys.modules.get("uwsgi")) is not None:
        from f2b_producer._uwsgi_exit import hook_exit  # noqa: PLC0415 - only there

        hook_exit(uwsgi, close_all)
    _flush_timeouts_s[pump] = flush_timeout_s
    weakref.finalize(producer, pump.retire, flush_timeout_s).atexit = False  # close_all does more, in order


def close_all(**_celery: object) -> None:
    """Close every pump; each within its own time, all of them begun now."""
    _end_all(lambda pump, timeout_s, patience_s: pump.close(timeout_s, patience_s))


def _end_process() -> None:
    close_all()
    end_words()


def stop_all() -> None:
    """Send what is buffered anywhere, for the process may end without exit hooks."""
    _end_all(lambda pump, timeout_s, patience_s: pump.stop(timeout_s, patience_s))


def hook_child_end() -> None:
    """Have every pump closed where this process ends by ``os._exit``, which runs no exit hooks: once."""
    global _hooked  # noqa: PLW0603 - of this process, as its hooks are
    if _hooked:
        return
    _hooked = True
    with contextlib.suppress(Exception):  # a report comes here, and must not raise
        for package in ("multiprocessing", "billiard"):
            if is_child_of(package):
                sys.modules[f"{package}.util"].Finalize(None, _close_after_threads, exitpriority=LAST)
        celery = sys.modules.get("celery.signals")
        if celery is not None:  # its workers do not even run billiard's finalizers
            celery.worker_process_shutdown.connect(close_all, weak=False, dispatch_uid=__name__)


def _end_all(end: "Callable[[Ending, float, float], object]") -> None:
    started_s = time.monotonic()
    pumps = list(_flush_timeouts_s.items())
    for pump, _ in pumps:
        pump.urge()
    interrupted = False
    for pump, timeout_s in pumps:
        passed_s = time.monotonic() - started_s
        left_s = 0.0 if interrupted else max(0.0, timeout_s - passed_s)
        try:
            end(pump, left_s, max(0.0, AWAY_PATIENCE_S - passed_s))
        except BaseException:  # noqa: BLE001 - Ctrl-C: it ends the waiting, and the others still say what is left
            interrupted = True
            with contextlib.suppress(BaseException):
                end(pump, 0.0, 0.0)  # another one may have come while it said so


def _close_after_threads() -> None:
    # multiprocessing waits for other threads only after its finalizers; until then they may report.
    ours = (threading.main_thread(), threading.current_thread())
    others = [thread for thread in threading.enumerate() if not thread.daemon and thread not in ours]
    try:
        if others:
            threading.Thread(target=_close_after, args=(others,), name="f2b-producer-end").start()
            return
    except RuntimeError:  # no more threads: what the others report from here on is refused, and told
        pass
    close_all()


def _close_after(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
    close_all()


def _begin_in_child() -> None:
    global _hooked  # noqa: PLW0603 - as above
    _hooked = False
    for pump in list(_flush_timeouts_s):
        pump.begin_in_child()


# The first finalizer registers the exit hook of them all, and what was registered first runs last: after ours.
# One of urllib3 closes its connections; what we sent after it would open another, which nobody closes.
weakref.finalize(close_all, int).detach()
atexit.register(_end_process)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
