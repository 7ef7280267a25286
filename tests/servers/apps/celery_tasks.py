"""A Celery worker and those who ask it, over a folder: ``celery_tasks PORT POOL [OPTIONS…]``. SIGTERM stops it warmly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from celery import Celery

FOLDER = "CELERY_FOLDER"
MODULE = "tests.servers.apps.celery_tasks"
POLL_S = 0.01
ANSWERED_WITHIN_S = 10

app = Celery("tasks", broker="filesystem://")


def configure(folder: str) -> None:
    """Let messages and results lie in *folder*."""
    Path(folder, "results").mkdir(exist_ok=True)
    app.conf.update(
        broker_transport_options={"data_folder_in": folder, "data_folder_out": folder, "polling_interval": POLL_S},
        result_backend=f"file://{folder}/results",
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
    )


if FOLDER in os.environ:
    configure(os.environ[FOLDER])

if __name__ != "__main__":  # in the worker, not in the front
    from tests.servers.apps.reporting import respond

    @app.task
    def answer(path: str) -> str:
        return respond(path).decode()


def main(port: str, pool: str, *options: str) -> None:
    """Start the worker, and serve until a signal; then stop the worker and wait for it."""
    from tests.servers.apps.front import Front  # noqa: PLC0415 - not in the worker

    with tempfile.TemporaryDirectory() as folder:
        configure(folder)
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", MODULE, "worker", "-P", pool, "-c", "2", *_QUIET, *options],
            env={**os.environ, FOLDER: folder},
        )
        Front(int(port), _ask).serve()
        worker.send_signal(signal.SIGTERM)
        sys.exit(worker.wait())


_QUIET = ("-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")


def _ask(path: str) -> bytes:
    result: Any = app.send_task(f"{MODULE}.answer", (path,))
    return str(result.get(timeout=ANSWERED_WITHIN_S, interval=POLL_S)).encode()


if __name__ == "__main__":
    main(*sys.argv[1:])
