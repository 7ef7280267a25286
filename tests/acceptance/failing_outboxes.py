"""A shim of two processes whose outbox cannot be opened; spawned processes import this module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.errors import CredentialsAway, F2bError, code_at_start
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.serve import Serving, serve

if TYPE_CHECKING:
    from f2b_worker.shim.outbox import Outbox


def open_outbox() -> Outbox:
    """Fail, as where nobody gives out credentials."""
    raise CredentialsAway("AWS credentials: none were found")


def main(port: int) -> None:
    """Serve, as `f2b-shim --workers 2` does."""
    how = Serving("127.0.0.1", port, 2, "info", Limits(), ConnectionLimits())
    try:
        serve(how, open_outbox, SystemClock())
    except F2bError as error:
        print(error)  # noqa: T201 - the test reads it
        sys.exit(code_at_start(error))


if __name__ == "__main__":
    main(int(sys.argv[1]))
