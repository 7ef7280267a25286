"""What a signal handler raises in the middle of our work, so that it stops what it is meant to stop.

Python calls signal handlers in the main thread only. Under gevent and eventlet our thread is a greenlet of it. So
Ctrl-C or a handler's ``sys.exit()`` may come up in there, where nobody would hear of it.
"""

import sys
import threading
from collections.abc import Callable

from f2b_producer._ground import patched_by


def is_green() -> bool:
    """Whether this code runs in a greenlet, not in a thread of the system."""
    greenlet = sys.modules.get("greenlet")
    return greenlet is not None and greenlet.getcurrent().parent is not None


def is_exit(error: BaseException) -> bool:
    """Whether *error* is a ``sys.exit()`` that a signal handler may have called here."""
    return isinstance(error, SystemExit) and (is_green() or threading.current_thread() is threading.main_thread())


def run_handing_on(work: Callable[..., None], *args: object) -> None:
    """Do the work of a thread. If that is green, the main greenlet raises what a signal handler raised in it."""
    try:
        work(*args)
    except (KeyboardInterrupt, SystemExit) as error:
        if not is_green():
            raise
        _raise_in_main_greenlet(error)


def _raise_in_main_greenlet(error: BaseException) -> None:
    """Do as gevent does with what reaches its hub (Hub.handle_system_error); `threading` lets nothing through."""
    main = sys.modules["greenlet"].getcurrent()
    while main.parent is not None:
        main = main.parent
    if patched_by() == "gevent":
        sys.modules["gevent"].get_hub().loop.run_callback(main.throw, error)
    else:
        sys.modules["eventlet.hubs"].get_hub().schedule_call_global(0, main.throw, error)
