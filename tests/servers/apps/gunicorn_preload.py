"""gunicorn's configuration where the application is loaded before the fork: a worker begins by a hook."""

from __future__ import annotations

from typing import Any

preload_app = True


def post_worker_init(_worker: Any) -> None:
    from tests.servers.apps.reporting import begin_worker  # noqa: PLC0415 - the settings are read by the master

    begin_worker()
