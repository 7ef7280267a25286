"""Flask behind one load balancer: F2B_QUEUE=https://sqs… flask --app flask_app run."""

import os

from flask import Flask, abort, request

from f2b_producer import Producer
from f2b_producer.wsgi import F2BMiddleware


def create_app(f2b: Producer) -> Flask:
    """Make an application that reports wrong passwords and searches for what is not there."""
    app = Flask(__name__)
    app.wsgi_app = F2BMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, f2b, statuses={401: "login", 404: "scan"}, trusted_hops=1
    )

    @app.post("/login")
    def login() -> str:
        if request.args.get("password") != os.environ.get("PASSWORD", "correct horse"):
            abort(401)  # reported for its status
        return "hello"

    @app.get("/wp-login.php")
    def trap() -> str:
        request.environ["f2b"].report("scan", note="wp-login.php", weight=5)  # reported by the view itself
        return ""

    @app.get("/health")
    def health() -> dict[str, bool]:
        return {"f2b": f2b.health().ok}

    return app


# SIGTERM kills `flask run` without exit hooks. Servers that handle it, such as gunicorn, do not need the setting.
app = create_app(Producer(os.environ["F2B_QUEUE"], message_group_id="shop", send_at_sigterm=True))
