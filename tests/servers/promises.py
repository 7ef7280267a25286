"""The table of servers in the producer's README, made of the servers that the matrix plays.

python -m tests.servers.promises      # writes it again; `make docs` does
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from tests.servers.rows import SERVERS
from tests.servers.served import ROOT

if TYPE_CHECKING:
    from tests.servers.served import Server

LOCK = ROOT / "requirements.lock"
README = ROOT / "producer" / "README.md"
BEGIN, END = "<!-- made by `make docs`: begin -->", "<!-- made by `make docs`: end -->"
HEAD = "| server | tested on | what sends the rest | what you must set |\n|---|---|---|---|\n"


@dataclass(frozen=True)
class Promise:
    """What holds of a kind of server.

    Attributes:
        server: Its name: that of its rows in the matrix, up to the comma.
        sends: What sends what is buffered when a process of it ends.
        needs: What must be set for that, and for the application to stay as fast as without a producer.
        tested: On which release, if requirements.lock does not say it.
    """

    server: str
    sends: str
    needs: str = "nothing"
    tested: str = ""


LIFESPAN = "lifespan.shutdown"
EXIT = "the process's exit"
AT_SIGTERM = f"{EXIT}; at SIGTERM, a handler"
MIDDLEWARE = "`F2BMiddleware` or `SendAtShutdown`"
SETTING = "`send_at_sigterm=True`"
GREEN = "`warm_up()` where a worker starts"
UWSGI = "`enable-threads`, and a graceful stop"
MOD_WSGI = "`WSGIApplicationGroup %{GLOBAL}`"
UWSGI_RELEASE = "uWSGI 2.0.21 of Debian 12"
MOD_WSGI_RELEASE = "mod_wsgi 4.9.4 of Debian 12"
CHILD = "the end of the child"
CHILD_OF_CELERY = "`worker_process_shutdown`"

PROMISES = [
    Promise("uvicorn", LIFESPAN, MIDDLEWARE),
    Promise("uvicorn --workers", LIFESPAN, MIDDLEWARE),
    Promise("gunicorn sync", EXIT),
    Promise("gunicorn gthread", EXIT),
    Promise("gunicorn gevent", EXIT, GREEN),
    Promise("gunicorn eventlet", EXIT, GREEN),
    Promise("gunicorn uvicorn worker", LIFESPAN, MIDDLEWARE),
    Promise("gunicorn asgi", LIFESPAN, MIDDLEWARE),
    Promise(
        "hypercorn", f"{LIFESPAN}, and a handler of SIGTERM", f"{MIDDLEWARE}; {SETTING} for 2 workers or more"
    ),
    Promise("granian ASGI", LIFESPAN, MIDDLEWARE),
    Promise("granian WSGI", EXIT),
    Promise("gevent", AT_SIGTERM, f"{SETTING}; {GREEN}"),
    Promise("eventlet", AT_SIGTERM, f"{SETTING}; {GREEN}"),
    Promise("waitress", AT_SIGTERM, SETTING),
    Promise("daphne", EXIT),
    Promise("Django runserver", AT_SIGTERM, SETTING),
    Promise("flask run", AT_SIGTERM, SETTING),
    Promise("uWSGI", EXIT, UWSGI, UWSGI_RELEASE),
    Promise("uWSGI gevent", EXIT, f"{UWSGI}; {GREEN}", UWSGI_RELEASE),
    Promise("mod_wsgi daemon", EXIT, f"{MOD_WSGI}; `flush_timeout_s=2`", MOD_WSGI_RELEASE),
    Promise("mod_wsgi embedded", EXIT, f"{MOD_WSGI}; `apachectl graceful-stop`", MOD_WSGI_RELEASE),
    Promise("Celery prefork", CHILD_OF_CELERY, "with `--max-tasks-per-child`, a broker such as Redis or RabbitMQ"),
    Promise("Celery threads", EXIT),
    Promise("Celery solo", EXIT),
    Promise("Celery gevent", EXIT, GREEN),
    Promise("Celery eventlet", EXIT, GREEN),
    Promise("multiprocessing Process", CHILD, tested="Python 3.11"),
    Promise("multiprocessing Pool", CHILD, "`close()` and `join()`", "Python 3.11"),
    Promise("multiprocessing ProcessPoolExecutor", CHILD, tested="Python 3.11"),
]


def kinds() -> dict[str, Server]:
    """Return the kinds of server in the matrix, each with its first row there."""
    return {kind: next(rows) for kind, rows in groupby(SERVERS, key=lambda each: each.name.partition(",")[0])}


def release(promise: Promise) -> str:
    """Tell on which release something was tested, whatever is installed where this runs."""
    first = kinds()[promise.server]
    if promise.tested or first.older:
        return promise.tested or f"{first.package} {first.older}"
    locked = re.search(rf"^{first.package}==([^ ;\\]+)", LOCK.read_text("utf-8"), re.MULTILINE)
    assert locked, f"{first.package} stands not in {LOCK}"
    return f"{first.package} {locked[1]}"


def table() -> str:
    """Write the table."""
    rows = [(each.server, release(each), each.sends, each.needs) for each in PROMISES]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(page: str) -> str:
    """Return a page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
