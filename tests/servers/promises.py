"""The table of servers in the producer's README, made of the servers that the matrix plays.

python -m tests.servers.promises      # writes it again; `make docs` does
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from tests.servers.rows import SERVERS
from tests.servers.served import ROOT

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
    """

    server: str
    sends: str
    needs: str = "nothing"


LIFESPAN = "the ASGI middleware, at lifespan.shutdown"
EXIT = "the exit of the process"
ASGI = "`F2BMiddleware`, or `SendAtShutdown` without it"
SIGTERM = "`Producer(…, send_at_sigterm=True)`"
GREEN = "`warm_up()` where a worker starts: else all its requests wait once while boto3 is loaded"

PROMISES = [
    Promise("uvicorn", LIFESPAN, ASGI),
    Promise("uvicorn --workers", LIFESPAN, ASGI),
    Promise("gunicorn sync", EXIT),
    Promise("gunicorn gthread", EXIT),
    Promise("gunicorn gevent", EXIT, GREEN),
    Promise("gunicorn eventlet", EXIT, GREEN),
    Promise("gunicorn uvicorn worker", LIFESPAN, ASGI),
    Promise("gunicorn asgi", LIFESPAN, ASGI),
    Promise("hypercorn", f"{LIFESPAN}, and {EXIT}"),
    Promise("granian ASGI", LIFESPAN, ASGI),
    Promise("granian WSGI", "a handler of SIGTERM", SIGTERM),
    Promise("gevent", "a handler of SIGTERM", f"{SIGTERM}; {GREEN}"),
    Promise("eventlet", "a handler of SIGTERM", f"{SIGTERM}; {GREEN}"),
    Promise("waitress", f"{EXIT}; at SIGTERM, a handler", SIGTERM),
    Promise("daphne", EXIT),
    Promise("Django runserver", f"{EXIT}; at SIGTERM, a handler", SIGTERM),
    Promise("flask run", f"{EXIT}; at SIGTERM, a handler", SIGTERM),
]


def kinds() -> dict[str, str]:
    """Return the kinds of server in the matrix, each with the release that is played."""
    by_kind = groupby(SERVERS, key=lambda each: each.name.partition(",")[0])
    return {kind: f"{first.package} {first.version}" for kind, (first, *_) in by_kind}


def table() -> str:
    """Write the table."""
    releases = kinds()
    rows = [(each.server, releases[each.server], each.sends, each.needs) for each in PROMISES]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(page: str) -> str:
    """Return a page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
