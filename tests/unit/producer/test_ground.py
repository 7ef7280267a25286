"""On which ground a producer stands: what it tells of processes as they really are.

In real servers it is asked in tests/servers/test_ground.py, and where their modules are loaded in
tests/servers/test_ground_of_scripts.py.
"""

import logging
import sys
from types import ModuleType, SimpleNamespace

import pytest

from f2b_producer import Ground, Producer, _ground, _states
from f2b_producer.testing import RecordingClient
from tests.grounds import ASK, PLAIN, told


def test_a_plain_script_stands_on_python_alone_and_must_ask_for_sigterm() -> None:
    assert told(ASK) == PLAIN


def test_who_asked_for_sigterm_needs_no_advice() -> None:
    asked = "from f2b_producer import Producer; Producer('memory:', send_at_sigterm=True)"
    assert told(f"{asked}; {ASK}") == PLAIN._replace(exit_hooks=True, advice="")


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
