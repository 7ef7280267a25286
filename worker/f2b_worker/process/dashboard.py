"""The dashboard of a worker, as its companion: the port is taken at the worker's start, and stays taken."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from f2b_worker.config.operator import OperatorSettings
from f2b_worker.config.values import name_and_token
from f2b_worker.domain.addresses import is_loopback
from f2b_worker.errors import StartError
from f2b_worker.http.listening import listen_on_port
from f2b_worker.process.companion import Companion

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.config.settings import WorkerSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MODULE = "f2b_worker.dashboard"
_PACKAGES = ("uvicorn", "httptools")


@dataclass(frozen=True, slots=True)
class Serving:
    """What a dashboard is told at its start.

    Attributes:
        settings: Where the ledger is, and the file with the jails.
        host: The address on which it listens.
        tokens: What opens a session, each with the name that the audit shows.
        by: Who acts, where it is whoever started this process; empty: whoever is logged in.
        log_level: The least serious lines to show.
    """

    settings: OperatorSettings
    host: str
    tokens: tuple[tuple[str, str], ...] = ()
    by: str = ""
    log_level: str = "info"


def open_dashboard(settings: WorkerSettings, config: Path | None) -> Companion | None:
    """Make the companion that serves a worker's dashboard, if one is asked for.

    Raises:
        StartError: If its port is taken, or its packages are not there.
    """
    if not settings.http_port:
        return None
    if not all(map(find_spec, _PACKAGES)):
        raise StartError(
            "--http-port needs more packages: install f2b-worker with its extra [dashboard], as README.md shows"
        )
    listener = listen_on_port(settings.http_host, settings.http_port, "--http-")
    tokens = tuple(name_and_token(each.get_secret_value()) for each in settings.dashboard_token)
    how = Serving(_as_operator(settings, config), settings.http_host, tokens, log_level=settings.log_level)
    log.info("dashboard", host=settings.http_host, port=settings.http_port, acts=bool(tokens))
    if not is_loopback(settings.http_host):
        log.warning("dashboard_open_to_all", host=settings.http_host, port=settings.http_port)
    return Companion("dashboard", MODULE, how, [listener])


def _as_operator(settings: WorkerSettings, config: Path | None) -> OperatorSettings:
    """Tell an operator's settings from a worker's: the dashboard looks and acts as an operator does."""
    return OperatorSettings(
        table=settings.table,
        state=settings.state,
        queue=settings.queue,
        ip_set=settings.ip_set,
        scope=settings.scope,
        audit_days=settings.audit_days,
        standalone=settings.standalone,
        config=config,
    )
