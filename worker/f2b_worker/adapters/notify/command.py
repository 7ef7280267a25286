"""Notices to a program of the operator's, as JSON on its standard input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from f2b_worker.adapters.notify.fitting import as_json
from f2b_worker.adapters.notify.running import environment, run
from f2b_worker.errors import Unavailable

if TYPE_CHECKING:
    from f2b_worker.config.notices import CommandAddress
    from f2b_worker.ports.notices import Notice


class CommandTarget:
    """One program.

    Args:
        address: The program, its time, and its variables.
    """

    def __init__(self, address: CommandAddress) -> None:
        self._address = address

    def send(self, notice: Notice) -> None:
        """Run it for one notice; exit code 0 says that it was taken.

        Raises:
            F2bError: If it could not be started, did not end in time, or has another exit code.
        """
        given = as_json({**notice.detail, "subject": notice.subject, "text": notice.text})
        argv, names = self._address.argv, self._address.environment
        ended = run(argv, given, environment(names), within_s=self._address.timeout_ms / 1000)
        if ended.code:
            how = f"exit code {ended.code}" if ended.code > 0 else f"ended by signal {-ended.code}"
            said = f": {ended.said}" if ended.said else ""
            raise Unavailable(f"command {Path(argv[0]).name}: {how}{said}")

    def close(self) -> None:
        """Do nothing: each notice has a process of its own."""
