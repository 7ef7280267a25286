"""FastAPI behind one load balancer: F2B_QUEUE=https://sqs… uvicorn fastapi_app:app --no-proxy-headers."""

import os

from fastapi import FastAPI, HTTPException, Request

from f2b_producer import Producer
from f2b_producer.asgi import F2BMiddleware


def create_app(f2b: Producer) -> FastAPI:
    """Make an application that reports wrong passwords and searches for what is not there."""
    app = FastAPI()
    app.add_middleware(F2BMiddleware, producer=f2b, statuses={401: "login", 404: "scan"}, trusted_hops=1)

    @app.post("/login")
    async def login(password: str) -> dict[str, str]:
        if password != os.environ.get("PASSWORD", "correct horse"):
            raise HTTPException(401)  # reported for its status
        return {"hello": "you"}

    @app.get("/wp-login.php")
    async def trap(request: Request) -> dict[str, str]:
        request.state.f2b.report("scan", note="wp-login.php", weight=5)  # reported by the view itself
        return {}

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"f2b": f2b.health().ok}

    return app


app = create_app(Producer(os.environ["F2B_QUEUE"], message_group_id="shop"))
