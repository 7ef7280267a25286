"""On which ground a producer stands: what it tells of processes as they really are.

In real servers it is asked in tests/servers/test_ground.py.
"""

import json
import logging
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from f2b_producer import Ground, Producer, _ground, _states
from f2b_producer.testing import RecordingClient

ASK = "import json; from f2b_producer import Producer; print(json.dumps(Producer('memory:').health().ground))"
PLAIN = Ground(
    "plain process", threads=True, fork_hooks=True, exit_hooks=False, patched=None, advice="send_at_sigterm=True"
)


def told(script: str, **variables: str) -> Ground:
    """Run *script* in a process of its own, and return the ground that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | variables,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return Ground(*json.loads(done.stdout))


def test_a_plain_script_stands_on_python_alone_and_must_ask_for_sigterm() -> None:
    assert told(ASK) == PLAIN


def test_who_asked_for_sigterm_needs_no_advice() -> None:
    asked = "from f2b_producer import Producer; Producer('memory:', send_at_sigterm=True)"
    assert told(f"{asked}; {ASK}") == PLAIN._replace(exit_hooks=True, advice="")
    assert told(f"{asked}; import uvicorn.protocols.http; {ASK}").advice == ""


def test_a_process_that_handles_sigterm_itself_runs_its_exit_hooks_and_needs_no_advice() -> None:
    ground = told(f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); {ASK}")
    assert ground == PLAIN._replace(exit_hooks=True, advice="")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_is_known_however_it_was_started(method: str) -> None:
    ground = told(
        "import multiprocessing\n"
        f"child = multiprocessing.get_context({method!r}).Process(target=exec, args=({ASK!r},))\n"
        "child.start(); child.join()\n"
    )
    assert ground == PLAIN._replace(server="multiprocessing child")


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


@pytest.mark.parametrize(
    ("options", "threads", "fork_hooks", "advice"),
    [
        ({"lazy-apps": b"false"}, False, False, "enable-threads"),
        ({"py-call-uwsgi-fork-hooks": b"0"}, True, False, ""),
        ({"py-call-uwsgi-fork-hooks": b"1"}, False, True, "enable-threads"),
        ({"lazy-apps": b"true"}, True, True, ""),
        ({"lazy": True, "plugin": [b"python3", b"gevent"]}, True, True, ""),
    ],
)
def test_under_uwsgi_its_options_say_what_works_and_what_must_be_set(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], threads: bool, fork_hooks: bool, advice: str
) -> None:
    # As uWSGI 2.0.21 shows them; the module is inside of its server, which tests/servers starts.
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options, has_threads=int(threads)))
    assert _ground.find() == Ground("uWSGI", threads, fork_hooks, exit_hooks=True, patched=None, advice=advice)


@pytest.mark.parametrize(
    ("application_group", "advice"), [("", ""), ("shop.example|/api", "WSGIApplicationGroup %{GLOBAL}")]
)
def test_under_mod_wsgi_an_interpreter_of_its_own_is_advised_against(
    monkeypatch: pytest.MonkeyPatch, application_group: str, advice: str
) -> None:
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(application_group=application_group))
    assert _ground.find() == PLAIN._replace(server="mod_wsgi", exit_hooks=True, advice=advice)


def test_a_module_that_only_has_a_servers_name_fails_no_health_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", ModuleType("uwsgi"))
    ground = Producer("memory:").health().ground
    assert (ground.server, ground.advice) == ("unknown", "")


def test_the_first_report_tells_the_ground_once_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "f2b_producer")
    with Producer("memory:", client=RecordingClient(), linger_s=0) as f2b:
        assert caplog.messages == []
        for _ in range(2):
            f2b.report("203.0.113.7")
            assert f2b.flush()
    assert caplog.messages == [f"stands on this ground: {f2b.health().ground}"]
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_the_ground_reads_as_one_line_that_ends_with_the_advice() -> None:
    ground = PLAIN._replace(server="uWSGI", threads=False, exit_hooks=True, advice="enable-threads")
    assert str(ground) == (
        "uWSGI, threads do not run, fork hooks run, exit hooks run at SIGTERM, not patched; advice: enable-threads"
    )
    assert str(ground._replace(threads=True, patched="gevent", advice="")) == (
        "uWSGI, threads run, fork hooks run, exit hooks run at SIGTERM, patched by gevent"
    )


@pytest.mark.parametrize(
    ("server", "advice", "is_warned"),
    [
        ("uvicorn", "f2b_producer.asgi.SendAtShutdown", True),
        ("uvicorn", "", False),
        ("waitress", "send_at_sigterm=True", True),
        ("mod_wsgi", "WSGIApplicationGroup %{GLOBAL}", True),
        ("plain process", "send_at_sigterm=True", False),
        ("Lambda", "f2b.flush() at the end of the handler", False),
        ("uWSGI", "enable-threads", False),  # the pump warns of it when it finds out
    ],
)
def test_where_a_server_would_lose_reports_at_its_stop_the_first_report_warns_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    server: str,
    advice: str,
    is_warned: bool,
) -> None:
    monkeypatch.setattr(_ground, "find", lambda: PLAIN._replace(server=server, advice=advice))
    monkeypatch.setattr(_states, "_warned_of", set())
    with Producer("memory:", client=RecordingClient(), linger_s=0) as f2b:
        for _ in range(2):
            f2b.report("203.0.113.7")
            assert f2b.flush()
    warning = (
        f"{server} runs no exit hooks at SIGTERM, so what waits then is lost without a word: set {advice},"
        " or call close() where your application stops"
    )
    assert caplog.messages == [warning] * is_warned
