"""Reading the jails file; a command that has none takes the defaults, and does not wait for pydantic: 0.1 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.config.jails import Jails
from f2b_worker.domain.jails import Policy
from f2b_worker.domain.networks import NEVER_BANNED, Networks

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Jails", "jails_errors", "read_jails"]


def read_jails(path: Path | None) -> Jails:
    """Read the jails file, and the lists that it names; without one, fail2ban's defaults are the only jail.

    Raises:
        StartError: With the file, each wrong key and what is allowed.
    """
    if path is None:
        return Jails(Policy(), Networks(), NEVER_BANNED)
    from f2b_worker.config.jails_reading import read_file  # noqa: PLC0415 - see above

    return read_file(path)


def jails_errors(path: Path) -> list[str]:
    """Return all that `read_jails` would refuse, one line each with the file, the key and what is allowed."""
    from f2b_worker.config.jails_reading import errors_in  # noqa: PLC0415 - see above

    return errors_in(path)
