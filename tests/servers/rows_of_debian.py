"""Servers with a Python of Debian's inside: uWSGI and Apache's mod_wsgi."""

from __future__ import annotations

import os
import signal
import sysconfig
from dataclasses import replace

from tests.servers.served import ROOT, Server

WSGI = "tests.servers.apps.plain_wsgi"
PYTHONPATH = os.pathsep.join([str(ROOT), str(ROOT / "producer")])
# What the producer needs, botocore, is pure Python: Debian's takes it from here.
ENVIRONMENT = {"PYTHONPATH": PYTHONPATH, "LIBRARIES": sysconfig.get_path("purelib")}
EVENTS = (
    "stop",
    "reload",
    "recycling",
    "kill",
    "outage",
    "hanging outage",
    "recycling in an outage",
    "passing outage",
)
"""Without signals to every process: they end a worker in the middle of a request, and no hooks run."""
OF_VARIANTS = ("stop", "reload", "recycling", "hanging outage")
_MODULES = "/usr/lib/apache2/modules"


def uwsgi() -> list[Server]:
    """With threads and fork hooks, and with each of the ways to go without them."""
    # SIGTERM ends it gracefully: else a worker that is busy runs no hook of Python's (python_plugin.c,
    # uwsgi_python_atexit). For the same reason no signal is sent to the workers.
    graceful = ("--hook-master-start", "unix_signal:15 gracefully_kill_them_all")
    base = ("/usr/bin/uwsgi", "--plugin", "python3", "--http-socket", "127.0.0.1:{port}", "--master", *graceful)
    module = ("--processes", "2", "--need-app", "--module", f"{WSGI}:app", "--add-header", "Connection: close")
    command = (*base, *module, "--disable-logging")
    full = Server(
        "uWSGI",
        "uwsgi-core",
        (*command, "--enable-threads", "--py-call-uwsgi-fork-hooks"),
        reload=signal.SIGHUP,
        recycling=("--max-requests", "100", "--min-worker-lifetime", "0"),
        environment=ENVIRONMENT,
        events=EVENTS,
        debian=("uwsgi-core", "uwsgi-plugin-python3"),
    )
    variant = replace(full, events=OF_VARIANTS)
    threads = (*command, "--enable-threads")
    gevent = (*threads, "--plugin", "gevent_python3", "--gevent", "20")
    green = replace(
        full,
        name="uWSGI gevent",
        command=gevent,
        debian=(*full.debian, "uwsgi-plugin-gevent-python3", "python3-gevent"),
    )
    unhooked = replace(full, name="uWSGI, no fork hooks", command=threads)
    # Whoever is killed has sent nothing yet, and loses all of it.
    threadless = replace(full, name="uWSGI, no threads", command=command, without=("kill",), sends_at_stop=True)
    return [
        full,
        replace(variant, name="uWSGI, used before the fork", reports_at_import=True),
        replace(variant, name="uWSGI, lazy-apps", command=(*threads, "--lazy-apps", "--shared-pyimport", "ssl")),
        unhooked,
        replace(
            variant, name="uWSGI, no fork hooks, used before the fork", command=threads, reports_at_import=True
        ),
        threadless,
        replace(threadless, name=f"{threadless.name}, used before the fork", reports_at_import=True),
        green,
        replace(green, name="uWSGI gevent, patched late", command=(*gevent, "--gevent-monkey-patch")),
        replace(green, name="uWSGI gevent, patched early", command=(*gevent, "--gevent-early-monkey-patch")),
    ]


def mod_wsgi() -> list[Server]:
    """In processes of its own, and in Apache's."""
    debian = ("libapache2-mod-wsgi-py3", "apache2-bin")
    lines = [
        "ServerName localhost",
        "Listen 127.0.0.1:{port}",
        'PidFile "{log}.pid"',
        "Mutex posixsem",
        "ErrorLog /dev/stderr",
        'ErrorLogFormat "%M"',
        "User nobody",
        "Group nogroup",
        "GracefulShutdownTimeout 5",
        "KeepAlive Off",
        "WSGISocketPrefix /tmp/f2b-test-{port}",
        f'WSGIScriptAlias / "{ROOT}/{WSGI.replace(".", "/")}.py"',
        "WSGICallableObject app",
        # In an interpreter of its own for each site, which is the default, mod_wsgi 4.9 hangs at its end on Python
        # 3.11: it runs no exit hooks, whatever the application is, and is killed after some seconds.
        "WSGIApplicationGroup %{{GLOBAL}}",
        f'WSGIPythonPath "{PYTHONPATH}"',
    ]
    daemon = f'WSGIDaemonProcess f2b processes=2 threads=5 python-path="{PYTHONPATH}"'
    plain = Server(
        "mod_wsgi daemon",
        debian[0],
        _apache("event", *lines, daemon, "WSGIProcessGroup f2b"),
        reload=signal.SIGUSR1,
        settings={"flush_timeout_s": 2.0},  # Apache kills them after three
        environment=ENVIRONMENT,
        events=EVENTS,
        debian=debian,
    )
    recycled = replace(
        plain,
        name="mod_wsgi daemon, maximum-requests",
        command=_apache("event", *lines, f"{daemon} maximum-requests=100", "WSGIProcessGroup f2b"),
        recycling=("-D", "RECYCLED"),  # nobody asks: it stands in a directive that there can be only once
        events=("recycling", "recycling in an outage"),
    )
    # At SIGTERM a busy worker of prefork waits for a lock of mod_wsgi's that it holds itself, until it is killed.
    embedded = replace(
        plain,
        name="mod_wsgi embedded",
        command=_apache("event", *lines, "StartServers 2"),
        stops=signal.SIGWINCH,
        settings={},
    )
    prefork = replace(
        embedded,
        name="mod_wsgi embedded, prefork",
        command=_apache("prefork", *lines, "StartServers 2", "MaxRequestWorkers 2"),
        recycling=_directives("MaxConnectionsPerChild 100"),
    )
    return [plain, recycled, embedded, prefork]


def _apache(processing: str, *lines: str) -> tuple[str, ...]:
    loaded = [f"mpm_{processing}", "authz_core", "wsgi"]
    modules = [f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in loaded]
    return ("/usr/sbin/apache2", "-DFOREGROUND", "-f", "/dev/null", *_directives(*modules, *lines))


def _directives(*lines: str) -> tuple[str, ...]:
    return tuple(word for line in lines for word in ("-C", line))
