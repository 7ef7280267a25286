"""On which ground a producer stands where modules of servers are loaded, as those load them when they run."""

import subprocess
import sys

import pytest

from tests.grounds import ASK, PLAIN, told


def test_who_asked_for_sigterm_needs_no_advice_under_uvicorn_either() -> None:
    asked = "from f2b_producer import Producer; Producer('memory:', send_at_sigterm=True)"
    assert told(f"{asked}; import uvicorn.protocols.http; {ASK}").advice == ""


def test_in_lambda_the_advice_is_to_flush_whatever_serves_there() -> None:
    ground = told(f"import uvicorn.protocols.http; {ASK}", AWS_LAMBDA_RUNTIME_API="127.0.0.1:9001")
    assert ground == PLAIN._replace(server="Lambda", advice="f2b.flush() at the end of the handler")


def test_a_script_that_only_imports_servers_is_no_server() -> None:
    assert told(f"import celery, daphne.server, gunicorn, hypercorn, uvicorn, werkzeug.serving; {ASK}") == PLAIN


def test_uvicorn_without_our_middleware_is_advised_to_send_at_the_shutdown() -> None:
    running = "import uvicorn.protocols.http"  # which uvicorn loads as it starts
    ground = told(f"{running}; {ASK}")
    assert ground == PLAIN._replace(server="uvicorn", advice="f2b_producer.asgi.SendAtShutdown")
    assert told(f"{running}, f2b_producer.asgi; {ASK}") == ground._replace(advice="")


def heard(script: str) -> tuple[str, list[str]]:
    """Run *script* in a process of its own, and return what it prints and the lines of its log."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr.splitlines()


SERVE = """
import asyncio, uvicorn.protocols.http
from f2b_producer import Producer
from f2b_producer.asgi import F2BMiddleware, SendAtShutdown

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if {fails}: raise RuntimeError("knows no lifespan")
        await send({{"type": "lifespan.startup.complete"}})

async def receive(): return {{"type": "lifespan.startup"}}
async def send(message): pass

async def serve(app, *kinds):
    for kind in kinds:
        await asyncio.gather(app({{"type": kind}}, receive, send), return_exceptions=True)

f2b = Producer("memory:")
wrapped = SendAtShutdown(app) if {plain} else F2BMiddleware(app, f2b, trusted_hops=0)
asyncio.run(serve(wrapped, *{kinds}))
print(f2b.health().ground.advice)
"""


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("kinds", "fails", "warned"),
    [
        (["http", "http"], False, True),  # mounted in another application, or lifespan is off
        (["lifespan", "http"], True, True),  # the server takes it for one that has no lifespan
        (["lifespan", "http"], False, False),
    ],
)
def test_under_uvicorn_a_middleware_that_hears_of_no_lifespan_says_so_once_at_a_request(
    kinds: list[str], plain: bool, fails: bool, warned: bool
) -> None:
    advice, lines = heard(SERVE.format(kinds=kinds, plain=plain, fails=fails))
    assert advice == ("f2b_producer.asgi.SendAtShutdown" if warned else "")
    assert [line.partition(",")[0] for line in lines] == ["uvicorn runs no exit hooks at SIGTERM"] * warned


DJANGO = """
import {server}
from django.conf import settings
from f2b_producer import Producer
f2b = Producer("memory:")
settings.configure(F2B={{"producer": f2b, "trusted_hops": 0}})
from django.http import HttpResponse
from django.test import RequestFactory
from f2b_producer.django import F2BMiddleware
serve = F2BMiddleware(lambda request: HttpResponse())
for _ in range(2): serve(RequestFactory().get("/"))
print(f2b.health().ground.advice)
"""


@pytest.mark.parametrize(
    ("server", "advice", "warned"),
    [
        ("uvicorn.protocols.http", "f2b_producer.asgi.SendAtShutdown", True),
        ("waitress.server", "send_at_sigterm=True", False),
    ],
)
def test_under_uvicorn_the_middleware_of_django_says_once_that_it_hears_of_no_shutdown(
    server: str, advice: str, warned: bool
) -> None:
    told_advice, lines = heard(DJANGO.format(server=server))
    assert told_advice == advice
    assert [line.partition(",")[0] for line in lines] == ["uvicorn runs no exit hooks at SIGTERM"] * warned
