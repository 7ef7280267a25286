"""Opens what notices need: targets, places and the log; and looks at the fleet."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.config import notices as addresses
from f2b_worker.errors import F2bError
from f2b_worker.ports import Holder
from f2b_worker.process.opening import (
    chosen_blocklists,
    open_acts,
    open_ban_book,
    open_notebooks,
    open_queue,
    open_table,
)
from f2b_worker.query.conditions import FleetSeen, last_noted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from f2b_worker.config.jails import Jails
    from f2b_worker.config.names import Names
    from f2b_worker.config.notices import Notices, TargetSettings
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Acts, BanBook, Clock, Lease, Notebook, Notes, QueueDepth, WorkerSign
    from f2b_worker.ports.notices import NewsSource, Places, Target

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LEASE = "notices"
SLOWER = 3
"""The lease is renewed every 6 s, and another process takes it over after 24: a notice may be late; calls cost."""


def open_target(settings: TargetSettings) -> Target:
    """Open a target.

    Raises:
        StartError: If a variable that holds its secret or URL is not set, or holds none.
    """
    match settings.address:
        case addresses.SnsAddress(topic):
            from f2b_worker.adapters.notify.sns import SnsTarget  # noqa: PLC0415 - of five kinds most use one

            return SnsTarget(topic)
        case addresses.EventBridgeAddress(bus):
            from f2b_worker.adapters.notify.eventbridge import EventBridgeTarget  # noqa: PLC0415

            return EventBridgeTarget(bus)
        case addresses.WebhookAddress() as address:
            from f2b_worker.adapters.notify.webhook import WebhookTarget  # noqa: PLC0415

            return WebhookTarget(address)
        case addresses.CommandAddress() as address:
            from f2b_worker.adapters.notify.command import CommandTarget  # noqa: PLC0415

            return CommandTarget(address)
        case addresses.AppriseAddress() as address:
            from f2b_worker.adapters.notify.apprise import AppriseTarget  # noqa: PLC0415

            return AppriseTarget(address)


def fleet_name(notices: Notices, settings: Names) -> str:
    """Name the fleet in a notice: as the file has it, by its table, or by the machine of a standalone worker."""
    return notices.fleet or (socket.gethostname() if settings.state_file else settings.table)


def open_places(settings: Names) -> Places:
    """Open where it is kept how far each target was told."""
    if settings.state_file:
        from f2b_worker.adapters.sqlite.notices import SqlitePlaces  # noqa: PLC0415 - a fleet has no file

        return SqlitePlaces(settings.state_file)
    from f2b_worker.adapters.dynamodb.notices import DynamoPlaces  # noqa: PLC0415 - a file has no table

    return DynamoPlaces(open_table(settings), settings.table, SystemClock())


def open_source(settings: Names) -> NewsSource:
    """Open what follows the bans for one target."""
    if settings.state_file:
        from f2b_worker.adapters.sqlite.notices import SqliteNews  # noqa: PLC0415 - as above

        return SqliteNews(settings.state_file)
    from f2b_worker.adapters.dynamodb.notices import DynamoNews  # noqa: PLC0415

    return DynamoNews(open_table(settings), settings.table, SystemClock())


def open_lease(settings: Names, owner: str, clock: Clock) -> Lease:
    """Open the right to tell: one process of a fleet has it; a file has one worker anyway."""
    if settings.state_file:
        from f2b_worker.adapters.sqlite.file import SqliteLease  # noqa: PLC0415 - as above

        return SqliteLease()
    from f2b_worker.adapters.dynamodb.lease import DynamoLease  # noqa: PLC0415

    return DynamoLease(open_table(settings), settings.table, name=LEASE, owner=owner, clock=clock, slower=SLOWER)


def open_book(settings: Names) -> BanBook:
    """Open what tells of which infractions a ban was decided."""
    return open_ban_book(settings, aside=_leave)


class FleetWatch:
    """Looks at the fleet, without a call to WAF: what the enforcers noted is enough.

    Args:
        settings: Say where the ledger is, and which blocklists are enforced.
        jails: What the jails file says.
    """

    def __init__(self, settings: Names, jails: Jails) -> None:
        self._settings = settings
        self._scopes = [each.scope for each in chosen_blocklists(jails, settings)]
        self._parts: _Parts | None = None
        self._is_told = False

    def look(self) -> FleetSeen:
        """Look.

        Raises:
            F2bError: If the ledger does not answer.
        """
        parts = self._parts = self._parts or self._open()
        notes = {region: book.read() for region, book in parts.books.items()}
        regions = self._enforced(parts, notes)
        return FleetSeen(
            now_ms=SystemClock().now_ms(),
            regions=regions,
            notes=notes,
            holders={} if parts.regions is None else {region: parts.holder(region) for region in regions},
            control=parts.acts.control(),
            dead_letters=self._dead_letters(parts),
            workers=parts.signs(),
        )

    def _enforced(self, parts: _Parts, notes: Mapping[str, Notes]) -> tuple[str, ...]:
        """Tell where somebody is to enforce; a worker that does not is told by the notes of those that do."""
        if parts.regions is None:
            return last_noted(notes) if self._scopes else ()
        return tuple(parts.regions) or tuple(region for region, noted in notes.items() if noted.sets)

    def _open(self) -> _Parts:
        books = open_notebooks(self._settings, aside=_leave, writing=False)
        acts = open_acts(self._settings, aside=_leave)
        if self._settings.state_file:
            return _Parts(books, acts, None, lambda _: Holder(), *_of_file(self._settings.state_file))
        from f2b_worker.adapters.dynamodb.fleet import DynamoFleet  # noqa: PLC0415 - a file has no table
        from f2b_worker.adapters.dynamodb.lease import holder_of  # noqa: PLC0415
        from f2b_worker.adapters.waf.ip_set import regions_of  # noqa: PLC0415

        client, table = open_table(self._settings), self._settings.table
        return _Parts(
            books,
            acts,
            regions_of(self._scopes, client.meta.region_name),
            lambda region: holder_of(client, table, f"enforcer/{region}"),
            _depth_of_queue(self._settings),
            DynamoFleet(client, table).signs,
        )

    def _dead_letters(self, parts: _Parts) -> int | None:
        """Count them; who may not is told once, and hears of all else."""
        try:
            depth = parts.depth()
        except F2bError as error:
            if not self._is_told:
                log.warning("dead_letters_not_seen", reason=str(error))
            self._is_told = True
            return None
        self._is_told = False
        return depth.dead_letters if depth else None


class _Parts(NamedTuple):
    """What a watch has open; the Regions are None of a file, which does not say where it is enforced."""

    books: Mapping[str, Notebook]
    acts: Acts
    regions: Sequence[str] | None
    holder: Callable[[str], Holder]
    depth: Callable[[], QueueDepth | None]
    signs: Callable[[], Sequence[WorkerSign] | None] = lambda: None


def _of_file(path: Path) -> tuple[Callable[[], QueueDepth], Callable[[], Sequence[WorkerSign]]]:
    from f2b_worker.adapters.sqlite.file import close_with, open_existing  # noqa: PLC0415 - a fleet has no file
    from f2b_worker.adapters.sqlite.fleet import signs_in  # noqa: PLC0415
    from f2b_worker.adapters.sqlite.looking import depth_of_file  # noqa: PLC0415

    connection = open_existing(path)

    def depth() -> QueueDepth:
        return depth_of_file(connection)

    close_with(depth, connection)  # a watch has both as long as either
    return depth, lambda: signs_in(connection)


def _depth_of_queue(settings: Names) -> Callable[[], QueueDepth | None]:
    if not settings.queue:
        return lambda: None
    from f2b_worker.adapters.sqs.depth import depth_of  # noqa: PLC0415 - a file has no queue

    opened: list[Any] = []

    def depth() -> QueueDepth:
        opened[:] = opened or open_queue(settings)
        return depth_of(*opened)

    return depth


def _leave(error: Unreadable) -> None:
    """Leave it to the workers to tell what cannot be read."""
    del error
