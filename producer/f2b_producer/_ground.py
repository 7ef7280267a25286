"""On which ground a process stands: the server around it, and which of Python's threads and hooks work there."""

import os
import signal
import sys
from collections.abc import Mapping
from typing import NamedTuple

# Modules by which a server is known; the first that is loaded counts. Where there is one, it is a module that only
# the running server loads: `import uvicorn` stands in many a script, and `daphne` in the settings of Django.
_SERVERS = {
    "uwsgi": "uWSGI",
    "mod_wsgi": "mod_wsgi",
    "gunicorn.arbiter": "gunicorn",
    "celery.apps.worker": "Celery",
    "daphne.cli": "daphne",
    "daphne.management.commands.runserver": "daphne",
    "uvicorn.protocols.http": "uvicorn",
    "hypercorn.asyncio.run": "hypercorn",
    "hypercorn.trio.run": "hypercorn",
    "granian.server.mp": "granian",
    "waitress.server": "waitress",
    "django.core.management.commands.runserver": "runserver",
}
_LAMBDA = "AWS_LAMBDA_RUNTIME_API"  # set where Lambda runs the code, whatever serves it there
_WERKZEUG = "WERKZEUG_SERVER_FD"  # set by Flask's own server as it starts

_UWSGI_THREADS, _UWSGI_HOOKS = "enable-threads", "py-call-uwsgi-fork-hooks"
_AT_SIGTERM, _AT_SHUTDOWN = "send_at_sigterm=True", "f2b_producer.asgi.SendAtShutdown"
_LAMBDA_ADVICE = "f2b.flush() at the end of the handler"
_ENDED_BY_SIGTERM = {"uvicorn", "gunicorn with uvicorn"}  # uvicorn raises it again when it has stopped
_OWN_EXIT = {"uWSGI", "mod_wsgi"}  # whatever Python knows of signals, they end the interpreter with its hooks
# A script need not be warned of its own end, and in Lambda nobody can tell whether the handler flushes. What uWSGI
# needs the pump finds out itself, and says.
_NOT_WARNED = {"plain process", "multiprocessing child", "Lambda", "uWSGI"}


class Ground(NamedTuple):
    """On which ground this process stands; asked anew each time, for servers and patches may come late.

    Attributes:
        server: Who runs the application: "Lambda", "uWSGI", "mod_wsgi", "gunicorn", "gunicorn with uvicorn",
            "Celery", "daphne", "uvicorn", "hypercorn", "granian", "waitress", "runserver" (Django's own),
            "werkzeug" (Flask's own); without one "multiprocessing child" or "plain process".
        threads: Whether threads run beside the requests.
        fork_hooks: Whether Python hears of the children that the server forks, or there are none after the
            application is loaded. Where it does not, each report looks whether it is in another process.
        exit_hooks: Whether a stop by SIGTERM runs hooks, so that what is buffered is sent without further setting.
        patched: "gevent" or "eventlet", if it has patched `threading`.
        advice: What must be set on this ground, in a few words; empty if nothing.
    """

    server: str
    threads: bool
    fork_hooks: bool
    exit_hooks: bool
    patched: str | None
    advice: str

    @property
    def loses(self) -> bool:
        """Whether the server loses at a stop by SIGTERM what is buffered, unless the advice is followed."""
        return bool(self.advice) and self.server not in _NOT_WARNED

    def __str__(self) -> str:
        """Say it in one line."""
        said = [
            self.server,
            f"threads {'run' if self.threads else 'do not run'}",
            f"fork hooks {'run' if self.fork_hooks else 'do not run'}",
            f"exit hooks {'run' if self.exit_hooks else 'do not run'} at SIGTERM",
            f"patched by {self.patched}" if self.patched else "not patched",
        ]
        return ", ".join(said) + (f"; advice: {self.advice}" if self.advice else "")


def find() -> Ground:
    """Tell the ground from what is loaded, the environment and the process; import nothing, never raise."""
    try:
        return _find()
    except Exception:  # noqa: BLE001 - a module of another server's name; a health page must not fail for it
        return Ground("unknown", threads=True, fork_hooks=True, exit_hooks=True, patched=None, advice="")


def _find() -> Ground:
    server, patched, uwsgi = _server(), patched_by(), sys.modules.get("uwsgi")
    threads = uwsgi is None or patched is not None or bool(uwsgi.has_threads)
    told = uwsgi is None or _hears_of_forks(uwsgi.opt)
    exit_hooks = _exit_hooks(server)
    advice = [
        "" if threads else _UWSGI_THREADS,
        # In an interpreter of its own mod_wsgi hangs at the end, before the exit hooks.
        "WSGIApplicationGroup %{GLOBAL}" if server == "mod_wsgi" and _in_interpreter_of_its_own() else "",
        "" if exit_hooks else _advice_for_exit(server),
    ]
    return Ground(
        server,
        threads=threads,
        fork_hooks=told and hasattr(os, "register_at_fork"),
        exit_hooks=exit_hooks,
        patched=patched,
        advice=" and ".join(filter(None, advice)),
    )


def _server() -> str:
    if _LAMBDA in os.environ:
        return "Lambda"
    for module, server in _SERVERS.items():
        if module in sys.modules:
            with_uvicorn = server == "gunicorn" and "uvicorn.protocols.http" in sys.modules
            return "gunicorn with uvicorn" if with_uvicorn else server
    if _WERKZEUG in os.environ and "werkzeug.serving" in sys.modules:
        return "werkzeug"
    return "multiprocessing child" if is_child_of("multiprocessing") else "plain process"


def _hears_of_forks(uwsgi_options: Mapping[str, object]) -> bool:
    # With lazy-apps the application is loaded, and its producer made, after the fork.
    # One that was given twice is a list, which no set could be asked for.
    on = {name for name, value in uwsgi_options.items() if value not in (b"false", b"0")}
    return not on.isdisjoint({_UWSGI_HOOKS, "lazy-apps", "lazy"})


def _in_interpreter_of_its_own() -> bool:
    return bool(sys.modules["mod_wsgi"].application_group)


def patched_by() -> str | None:
    """Tell which of "gevent" and "eventlet" has patched `threading`, if any."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    return "eventlet" if eventlet is not None and eventlet.is_monkey_patched("thread") else None


def is_child_of(package: str) -> bool:
    """Whether "multiprocessing", or "billiard", which is Celery's copy of it, made this process."""
    process = sys.modules.get(f"{package}.process")
    return process is not None and type(process.current_process()).__name__ != "_MainProcess"


def _exit_hooks(server: str) -> bool:
    if server == "Lambda":  # it freezes a process for ever
        return False
    if "f2b_producer._sigterm" in sys.modules:  # send_at_sigterm; others chain to it
        return True
    if server in _ENDED_BY_SIGTERM:
        return False
    return server in _OWN_EXIT or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


def _advice_for_exit(server: str) -> str:
    if server == "Lambda":
        return _LAMBDA_ADVICE
    if server not in _ENDED_BY_SIGTERM:
        return _AT_SIGTERM
    return "" if "f2b_producer.asgi" in sys.modules else _AT_SHUTDOWN  # its middlewares send at the shutdown
