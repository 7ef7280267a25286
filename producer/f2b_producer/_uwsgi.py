from collections.abc import Callable
from types import ModuleType

_attended: list[ModuleType] = []


def attend(uwsgi: ModuleType, end: Callable[[], None]) -> None:
    """Have *end* called at the end of every worker, while a connection can still be made: once.

    uWSGI calls exit hooks from C's exit(), in a function that it registers when the application is loaded
    (core/uwsgi.c, uwsgi_plugins_atexit; plugins/python/python_plugin.c, uwsgi_python_atexit).
    """
    if uwsgi in _attended:
        return
    _attended.append(uwsgi)
    # OpenSSL registers its cleanup when it is loaded, and what is registered later runs earlier. Loaded by a
    # worker, it would be gone before the hooks run, and no client could be made any more (SSLError).
    import ssl  # noqa: F401, PLC0415 - 24 ms, and only here

    before = getattr(uwsgi, "atexit", None)

    def end_too() -> None:
        try:
            if before is not None:
                before()
        finally:
            end()

    # The only hook with a gevent loop (plugins/gevent/gevent.c) and with skip-atexit-teardown.
    uwsgi.atexit = end_too  # type: ignore[attr-defined]
