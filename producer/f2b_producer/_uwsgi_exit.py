import contextlib
import signal
from collections.abc import Callable
from types import ModuleType

# uWSGI's handlers of these call exit() again, which would cut the sending short without a word.
_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

_hooked: list[ModuleType] = []


def hook_exit(uwsgi: ModuleType, end: Callable[[], None]) -> None:
    """Have *end* called at the end of every worker, after what the application wants called: once.

    With a gevent loop uWSGI calls no exit hooks of Python's, but this one (plugins/gevent/gevent.c, gevent_loop).
    So it does with skip-atexit-teardown (plugins/python/python_plugin.c, uwsgi_python_atexit).
    """
    if uwsgi in _hooked:
        return
    _hooked.append(uwsgi)
    before = getattr(uwsgi, "atexit", None)

    def end_too() -> None:
        _ignore_signals()
        try:
            if before is not None:
                before()
        finally:
            end()

    uwsgi.atexit = end_too  # type: ignore[attr-defined]


def _ignore_signals() -> None:
    with contextlib.suppress(ValueError):  # in another thread than Python's first
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
