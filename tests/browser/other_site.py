"""A site of somebody else's, whose page sends a form to the dashboard."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Answer each GET so; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def other_site(target: str, **fields: str) -> Iterator[str]:
    """Serve a page whose one button sends a form to *target*; yield its URL."""
    inputs = "".join(f'<input name="{name}" value="{escape(text)}">' for name, text in fields.items())
    page = f'<!doctype html><form method="post" action="{target}">{inputs}<button>Win</button></form>'

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        request.wfile.write(page.encode())

    with served(answer) as url:
        yield url
