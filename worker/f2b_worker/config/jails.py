"""What a jails file says, once it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.config.notices import Notices
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.networks import Networks


@dataclass(frozen=True, slots=True)
class Jails:
    """What the jails file says.

    Attributes:
        policy: The jails to judge by.
        allowed: The addresses that no jail may ban: the defaults' ignoreip. The enforcer checks them again.
        apart: The addresses that no collapsed network may hit: those that any jail ignores, and those that are
            never banned.
        blocklists: Those that the file defines; one without IP sets takes the command line's.
        notices: Who is told of what; None where the file names no target.
    """

    policy: Policy
    allowed: Networks
    apart: Networks
    blocklists: tuple[Blocklist, ...] = ()
    notices: Notices | None = None
