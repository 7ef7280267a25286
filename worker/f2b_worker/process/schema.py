"""Sees that this f2b may work with what another version may have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe.late import late_log

if TYPE_CHECKING:
    import threading

    from f2b_worker.ports import Clock, SchemaMark

log = late_log()

LOOK_EVERY_S = 60.0
"""So soon a worker ends after a newer one has marked the table; docs/upgrade.md counts on it."""


def check_schema(mark: SchemaMark) -> None:
    """See that this f2b may read it.

    Raises:
        StartError: If not.
    """
    refusal = mark.known.refusal(mark.read(), mark.what)
    if refusal:
        raise StartError(refusal)


def claim_schema(mark: SchemaMark) -> None:
    """See that this f2b may write to it, and mark it if no version as new did.

    Raises:
        StartError: If this f2b may not.
    """
    check_schema(mark)
    if mark.known.is_newer_than(mark.read()):
        mark.mark(mark.known.written)
        check_schema(mark)  # a still newer one may have come first


def watch_schema(mark: SchemaMark, clock: Clock, stop: threading.Event) -> None:
    """Look once a minute until *stop* whether this f2b may still work with it.

    Raises:
        StartError: If not: a newer f2b has marked it so.
    """
    while not clock.wait(stop, LOOK_EVERY_S):
        try:
            check_schema(mark)
        except StartError:
            raise
        except F2bError as error:
            log.warning("format_unknown", reason=str(error))
