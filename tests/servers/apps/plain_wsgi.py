from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.apps.reporting import begin_worker, respond

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

begin_worker()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = respond(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
