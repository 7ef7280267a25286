"""What the end of a process and a fork mean for the pumps that live in it."""

import atexit
import os
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_producer._pump import Pump

# A pump lives as long as its producer or its thread.
_flush_timeouts_s: "weakref.WeakKeyDictionary[Pump, float]" = weakref.WeakKeyDictionary()


def attend(producer: object, pump: "Pump", flush_timeout_s: float) -> None:
    """Close *pump* at the end of the process, empty it in a forked child, retire it when *producer* is gone."""
    _flush_timeouts_s[pump] = flush_timeout_s
    weakref.finalize(producer, pump.retire).atexit = False  # close_all does more, in order


def close_all() -> None:
    """Close every pump; each within its own time, all of them begun now."""
    started_s = time.monotonic()
    for pump, timeout_s in list(_flush_timeouts_s.items()):
        pump.close(max(0.0, started_s + timeout_s - time.monotonic()))


def _begin_in_child() -> None:
    for pump in list(_flush_timeouts_s):
        pump.begin_in_child()


# The first finalizer registers the exit hook of them all, and what was registered first runs last: after ours.
# One of urllib3 closes its connections; what we sent after it would open another, which nobody closes.
weakref.finalize(close_all, int).detach()
atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
