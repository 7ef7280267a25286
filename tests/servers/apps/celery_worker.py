"""A Celery worker that serves HTTP, too, for those who ask it for tasks: ``celery_worker PORT POOL [OPTIONS…]``.

The messages stay in the memory of its main process. A task answers by a file, from whatever process it runs in.
"""

from __future__ import annotations

import sys

from celery import Celery, maybe_patch_concurrency

if __name__ == "__main__":  # before all else, as the command `celery` does
    maybe_patch_concurrency(["celery", "-P", sys.argv[2]])

import tempfile
import threading
import time
import uuid
from pathlib import Path

from celery.signals import worker_ready

from tests.servers.apps.front import Server
from tests.servers.apps.reporting import respond

POLL_S = 0.005
QUIET = ("-c", "2", "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")

app = Celery("tasks", broker="memory://")
app.conf.update(broker_transport_options={"polling_interval": POLL_S}, worker_hijack_root_logger=False)


@app.task  # type: ignore[untyped-decorator]
def answer(path: str, where: str) -> None:
    """Do one request's work; a file that is there is whole."""
    Path(f"{where}.part").write_bytes(respond(path))
    Path(f"{where}.part").rename(where)


def main(port: str, pool: str, *options: str) -> None:
    """Run the worker until a signal."""
    with tempfile.TemporaryDirectory() as folder:

        def ask(path: str) -> bytes:
            answered = Path(folder, uuid.uuid4().hex)
            answer.delay(path, str(answered))
            while not answered.exists():
                time.sleep(POLL_S)
            return answered.read_bytes()

        def serve(**_: object) -> None:
            threading.Thread(target=Server(int(port), ask).serve_forever, daemon=True).start()

        worker_ready.connect(serve, weak=False)
        app.worker_main(["worker", "-P", pool, *QUIET, *options])


if __name__ == "__main__":
    main(*sys.argv[1:])
