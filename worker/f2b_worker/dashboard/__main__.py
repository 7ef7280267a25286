"""The dashboard of a worker, as its companion: `python -m f2b_worker.dashboard`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.caller import act_as
from f2b_worker.dashboard.content import open_app
from f2b_worker.dashboard.serve import Server
from f2b_worker.observe import log
from f2b_worker.process.accompanying import accompany, end_now, give_way

if TYPE_CHECKING:
    from f2b_worker.process.dashboard import Serving


def main() -> None:
    """Serve until the worker stops or dies."""
    worker = accompany()
    how: Serving = worker.given
    (listener,) = worker.handed
    log.configure(how.log_level, part="dashboard")
    give_way()
    act_as("dashboard", how.settings.region)
    server = Server(partial(open_app, how), worker.beat)
    worker.follow(stop=server.stop, reload=lambda: None)
    server.run(listener)
    end_now()


if __name__ == "__main__":
    main()
