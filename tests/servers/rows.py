"""The servers of the matrix, each described once. They run two workers wherever they can."""

from __future__ import annotations

import signal
from dataclasses import replace

from tests.servers.served import Server

APPS = "tests.servers.apps"
WSGI = f"{APPS}.plain_wsgi:app"
ASGI = f"{APPS}.plain_asgi:app"
FASTAPI = f"{APPS}.fastapi_app:app"
FLASK = f"{APPS}.flask_app:app"
DJANGO = f"{APPS}.django_app"
BIND = "127.0.0.1:{port}"
PRELOAD = ("-c", f"python:{APPS}.gunicorn_preload")
AT_SIGTERM = {"send_at_sigterm": True}


def _gunicorn(kind: str, app: str, *options: str) -> list[Server]:
    """One kind of worker, its application loaded after the fork and before it, with `warm_up` and without."""
    base = ("gunicorn", "-w", "2", "-b", BIND, "--graceful-timeout", "5", "--no-control-socket", *options)
    plain = Server(
        f"gunicorn {kind}",
        "gunicorn",
        (*base, app),
        reload=signal.SIGHUP,
        recycling=("--max-requests", "100"),
    )
    preloaded = replace(plain, name=f"{plain.name}, preload", command=(*base, *PRELOAD, app))
    return [
        plain,
        replace(plain, name=f"{plain.name}, warm_up", warm_up="import"),
        preloaded,
        replace(preloaded, name=f"{preloaded.name}, warm_up in each worker", warm_up="worker"),
        replace(preloaded, name=f"{preloaded.name}, warm_up before the fork", warm_up="import"),
        replace(preloaded, name=f"{preloaded.name}, used before the fork", reports_at_import=True),
    ]


def _uvicorn() -> list[Server]:
    base = ("uvicorn", "--port", "{port}", "--timeout-graceful-shutdown", "5")
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
        replace(alone, name="uvicorn, warm_up", warm_up="worker"),
        replace(alone, name="uvicorn, FastAPI", command=(*base, FASTAPI)),
        replace(alone, name="uvicorn, Django", command=(*base, f"{DJANGO}:asgi")),
        replace(alone, name="uvicorn, no lifespan in the application", command=(*base, f"{APPS}.plain_asgi:deaf")),
        workers,
        replace(workers, name="uvicorn --workers, warm_up", warm_up="worker"),
    ]


def _hypercorn() -> list[Server]:
    base = ("hypercorn", "--bind", BIND, "--graceful-timeout", "5", "-w", "2")
    asgi = Server("hypercorn", "hypercorn", (*base, ASGI), recycling=("--max-requests", "100"))
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


SERVERS: list[Server] = [
    *_uvicorn(),
    *_gunicorn("sync", WSGI),
    *_gunicorn("gthread", WSGI, "-k", "gthread", "--threads", "4"),
    *_gunicorn("gevent", WSGI, "-k", "gevent"),
    *_gunicorn("uvicorn worker", ASGI, "-k", "uvicorn.workers.UvicornWorker"),
    *_gunicorn("asgi", ASGI, "-k", "asgi"),
    *_hypercorn(),
    *_granian(),
    Server("waitress", "waitress", ("waitress-serve", f"--listen={BIND}", FLASK)),
    Server("daphne", "daphne", ("daphne", "-p", "{port}", f"{DJANGO}:asgi")),
    Server("Django runserver", "django", ("python", "-m", DJANGO, "runserver", "--noreload", BIND)),
    Server("flask run", "flask", ("flask", "--app", f"{APPS}.flask_app", "run", "--port", "{port}")),
]


def server(name: str) -> Server:
    """Return the server of that name."""
    (found,) = [each for each in SERVERS if each.name == name]
    return found
