"""The servers of the matrix, each described once. They run two workers wherever they can."""

from __future__ import annotations

import signal
from dataclasses import replace

from tests.servers import rows_of_debian, rows_of_jobs
from tests.servers.served import Server

APPS = "tests.servers.apps"
WSGI = f"{APPS}.plain_wsgi:app"
ASGI = f"{APPS}.plain_asgi:app"
FASTAPI = f"{APPS}.fastapi_app:app"
FLASK = f"{APPS}.flask_app:app"
DJANGO = f"{APPS}.django_app"
BIND = "127.0.0.1:{port}"
AT_SIGTERM = {"send_at_sigterm": True}
PRELOAD = ("-c", f"python:{APPS}.gunicorn_preload")
OF_VARIANTS = ("stop", "reload", "recycling", "hanging outage")
"""A variant of a server differs in when the client is made: these events meet that."""

QUICK = ("interrupt",)
"""At SIGINT gunicorn stops quickly, as its pages say: its signal to a green worker ends our exit hook."""


def _gunicorn(kind: str, app: str, *options: str, older: str = "", without: tuple[str, ...] = ()) -> list[Server]:
    """One kind of worker, its application loaded after the fork and before it, with `warm_up` and without."""
    base = ("python", "-m", "gunicorn", "-w", "2", "-b", BIND, "--graceful-timeout", "10", "--no-control-socket")
    plain = Server(
        f"gunicorn {kind}",
        "gunicorn",
        (*base, *options, app),
        reload=signal.SIGHUP,
        recycling=("--max-requests", "100"),
        older=older,
        without=without,
    )
    preloaded = replace(plain, name=f"{plain.name}, preload", command=(*base, *options, *PRELOAD, app))
    fewer = replace(plain, events=OF_VARIANTS)
    fewer_preloaded = replace(preloaded, events=OF_VARIANTS)
    return [
        plain,
        replace(fewer, name=f"{plain.name}, warm_up", warm_up="import"),
        preloaded,
        replace(fewer_preloaded, name=f"{preloaded.name}, warm_up in each worker", warm_up="worker"),
        replace(fewer_preloaded, name=f"{preloaded.name}, warm_up before the fork", warm_up="import"),
        replace(fewer_preloaded, name=f"{preloaded.name}, used before the fork", reports_at_import=True),
    ]


def _uvicorn() -> list[Server]:
    # On a busy machine a worker may take longer than 5 s to answer its parent, which then gives a reload up. But
    # for as long the parent may ask one that has died.
    patient = ("--timeout-graceful-shutdown", "10", "--timeout-worker-healthcheck", "15")
    base = ("uvicorn", "--port", "{port}", "--no-access-log", *patient)
    alone = Server("uvicorn", "uvicorn", (*base, ASGI))
    workers = replace(
        alone,
        name="uvicorn --workers",
        command=(*base, "--workers", "2", ASGI),
        reload=signal.SIGHUP,
        recycling=("--limit-max-requests", "100"),
    )
    return [
        alone,
        replace(alone, name="uvicorn, warm_up", warm_up="worker", events=OF_VARIANTS),
        replace(alone, name="uvicorn, FastAPI", command=(*base, FASTAPI)),
        replace(alone, name="uvicorn, Django", command=(*base, f"{DJANGO}:asgi")),
        replace(alone, name="uvicorn, no lifespan in the application", command=(*base, f"{APPS}.plain_asgi:deaf")),
        workers,
        replace(workers, name="uvicorn --workers, warm_up", warm_up="worker", events=OF_VARIANTS),
    ]


def _hypercorn() -> list[Server]:
    base = ("hypercorn", "--bind", BIND, "--graceful-timeout", "10", "-w", "2")
    asgi = Server(
        "hypercorn",
        "hypercorn",
        (*base, ASGI),
        reload=signal.SIGHUP,
        recycling=("--max-requests", "100"),
        settings=AT_SIGTERM,  # when one worker has ended, it ends the others by SIGTERM (hypercorn/run.py)
    )
    return [
        asgi,
        replace(asgi, name="hypercorn, FastAPI", command=(*base, FASTAPI)),
        replace(asgi, name="hypercorn, WSGI", command=(*base, f"wsgi:{WSGI}")),
    ]


def _granian() -> list[Server]:
    base = ("granian", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2")
    asgi = Server("granian ASGI", "granian", (*base, "--interface", "asgi", ASGI), reload=signal.SIGHUP)
    wsgi = replace(asgi, name="granian WSGI", command=(*base, "--interface", "wsgi", WSGI))
    return [asgi, wsgi]


def _green(kind: str) -> list[Server]:
    """The library's own server, patched before the application is imported and after it."""
    command = ("python", "-m", f"{APPS}.green", kind, "{port}")
    early = Server(kind, kind, command, settings=AT_SIGTERM, without=("stop of all",))  # there is one process
    return [early, replace(early, name=f"{kind}, patched late", command=(*command, "late"))]


def _simple() -> list[Server]:
    flask = ("flask", "--app", f"{APPS}.flask_app", "run", "--port", "{port}")
    return [
        Server("waitress", "waitress", ("waitress-serve", f"--listen={BIND}", FLASK), settings=AT_SIGTERM),
        Server("daphne", "daphne", ("daphne", "-p", "{port}", f"{DJANGO}:asgi")),
        Server(
            "Django runserver",
            "django",
            ("python", "-m", DJANGO, "runserver", "--noreload", BIND),
            settings=AT_SIGTERM,
        ),
        Server("flask run", "flask", flask, settings=AT_SIGTERM),
    ]


SERVERS: list[Server] = [
    *_uvicorn(),
    *_gunicorn("sync", WSGI),
    *_gunicorn("gthread", WSGI, "-k", "gthread", "--threads", "4"),
    *_gunicorn("gevent", WSGI, "-k", "gevent", without=QUICK),
    *_gunicorn("eventlet", WSGI, "-k", "eventlet", older="25.3.0", without=QUICK),
    *_gunicorn("uvicorn worker", ASGI, "-k", "uvicorn.workers.UvicornWorker"),
    *_gunicorn("asgi", ASGI, "-k", "asgi"),
    *_hypercorn(),
    *_granian(),
    *_green("gevent"),
    *_green("eventlet"),
    *_simple(),
    *rows_of_debian.uwsgi(),
    *rows_of_debian.mod_wsgi(),
    *rows_of_jobs.celery(),
    *rows_of_jobs.multiprocessing(),
]


def server(name: str) -> Server:
    """Return the server of that name."""
    (found,) = [each for each in SERVERS if each.name == name]
    return found


FAST: list[tuple[str, str]] = [
    ("uvicorn", "stop"),
    ("uvicorn", "hanging outage"),
    ("uvicorn, FastAPI", "interrupt"),
    ("uvicorn, no lifespan in the application", "stop"),
    ("uvicorn --workers", "reload"),
    ("uvicorn --workers", "stop of all"),
    ("gunicorn sync", "kill"),
    ("gunicorn sync, preload", "reload"),
    ("gunicorn sync, preload, used before the fork", "stop"),
    ("gunicorn gthread", "recycling"),
    ("gunicorn gthread, preload", "recycling in an outage"),
    ("gunicorn gevent, preload", "stop"),
    ("gunicorn uvicorn worker", "outage"),
    ("hypercorn", "recycling"),
    ("granian ASGI", "reload"),
    ("granian WSGI", "stop"),
    ("eventlet, patched late", "passing outage"),
    ("waitress", "stop"),
    ("daphne", "stop"),
    ("Django runserver", "stop"),
    ("flask run", "outage"),
    ("uWSGI, used before the fork", "reload"),
    ("uWSGI, no threads", "stop"),
    ("Celery prefork", "recycling"),
    ("multiprocessing Pool, fork", "stop"),
    ("multiprocessing ProcessPoolExecutor, spawn", "outage"),
]
"""What `make test` plays: every server once, and each event with the server that has most to lose by it."""
