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


LIFESPAN = "lifespan.shutdown"
EXIT = "the process's exit"
AT_SIGTERM = f"{EXIT}; at SIGTERM, a handler"
MIDDLEWARE = "`F2BMiddleware` or `SendAtShutdown`"
SETTING = "`send_at_sigterm=True`"
GREEN = "`warm_up()` where a worker starts"

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
    Promise("gevent", "a handler of SIGTERM", f"{SETTING}; {GREEN}"),
    Promise("eventlet", "a handler of SIGTERM", f"{SETTING}; {GREEN}"),
    Promise("waitress", AT_SIGTERM, SETTING),
    Promise("daphne", EXIT),
    Promise("Django runserver", AT_SIGTERM, SETTING),
    Promise("flask run", AT_SIGTERM, SETTING),
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
