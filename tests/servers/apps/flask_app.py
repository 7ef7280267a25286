from __future__ import annotations

from flask import Flask, Response, request

from tests.servers.apps.reporting import respond

app = Flask(__name__)


@app.get("/")
@app.get("/ground")
@app.get("/report/<note>")
def answer(note: str = "") -> Response:
    return Response(respond(request.path), content_type="text/plain")
