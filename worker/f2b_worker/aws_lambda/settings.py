"""The settings of the function: those of a worker that matter to a judge, from the environment and the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import structlog

from f2b_worker.config.loading import env_name, load
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.errors import StartError

log: structlog.stdlib.BoundLogger = structlog.get_logger()

HEEDED = frozenset({"table", "max_age", "offenders_per_s", "log_level"})
REFUSED = ("standalone", "state", "enforce_only")


class Chosen(NamedTuple):
    """What the function goes by.

    Attributes:
        config: The jails file, which is part of the function's package.
        ignored: What else was given, and makes no sense here.
    """

    settings: WorkerSettings
    config: Path | None
    ignored: tuple[str, ...]


def choose() -> Chosen:
    """Read the settings.

    Raises:
        StartError: If one is wrong, or asks for something that a function cannot do.
    """
    name = os.environ.get("F2B_CONFIG")
    config = Path(name) if name else None
    settings = load(WorkerSettings, {}, config, needs_queue=False, has_options=False)
    asked = [each for each in REFUSED if getattr(settings, each)]
    if asked:
        raise StartError(
            f"{env_name(asked[0])}: a Lambda function judges infractions of a queue for a table: leave it out "
            f"(in the file {asked[0]} under [worker]), or run f2b-worker"
        )
    given = settings.model_fields_set - {"queue"} | ({"queue"} if os.environ.get("F2B_QUEUE") else set())
    return Chosen(settings, config, tuple(sorted(given - HEEDED - set(REFUSED))))


def tell(chosen: Chosen) -> None:
    """Say in one line what was given in vain."""
    if chosen.ignored:
        reason = "a Lambda function only judges, and takes the queue of its event source mapping"
        log.warning("settings_ignored", settings=list(map(env_name, chosen.ignored)), reason=reason)
