"""A server of green threads: ``eventlet PORT`` or ``gevent PORT``; ``late`` patches when the application is there.

Patched late, the producer was imported and made with the locks and the sleep of real threads.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def main(kind: str, port: str, when: str = "early") -> None:
    """Serve until a signal ends it."""
    if when == "early":
        patch(kind)
    app = importlib.import_module("tests.servers.apps.plain_wsgi").app
    if when == "late":
        patch(kind)
    serve(kind, ("127.0.0.1", int(port)), app)


def patch(kind: str) -> None:
    """Make threads, locks and sockets green."""
    if kind == "eventlet":
        importlib.import_module("eventlet").monkey_patch()
    else:
        importlib.import_module("gevent.monkey").patch_all()


def serve(kind: str, address: tuple[str, int], app: Any) -> None:
    """Serve until a signal ends it."""
    if kind == "eventlet":
        eventlet = importlib.import_module("eventlet")
        importlib.import_module("eventlet.wsgi").server(eventlet.listen(address), app, log_output=False)
    else:
        importlib.import_module("gevent.pywsgi").WSGIServer(address, app, log=None).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
