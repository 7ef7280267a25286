"""The image's health check: it says in one line how the process does, and its exit code says the same."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from f2b_worker import probe
from f2b_worker.http.listening import listen_on_port
from f2b_worker.observe.http import health_app
from f2b_worker.observe.server import Server
from localstack.server_process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_THE_ENVIRONMENT = ("F2B_METRICS_PORT", "F2B_METRICS_HOST", "F2B_PORT", "F2B_HOST", "F2B_STANDALONE", "F2B_UDS")


class Worker:
    """Answers probes as a worker does, by the worker's own code."""

    def __init__(self, host: str) -> None:
        self.dead: str | None = None
        self.problem: str | None = None
        app = health_app(lambda: self.dead, lambda: self.problem, registry=CollectorRegistry())
        listener = listen_on_port(host, 0)
        self._address = listener.getsockname()[:2]
        self._server = Server(listener, app)
        self.port = self._server.port
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def end(self) -> None:
        self._server.end()
        with (
            suppress(OSError),
            socket.create_connection(self._address),
        ):  # it looks up at once, not within a second
            pass
        self._thread.join()


@contextmanager
def working(host: str = "127.0.0.1") -> Iterator[Worker]:
    worker = Worker(host)
    try:
        yield worker
    finally:
        worker.end()


@contextmanager
def hanging() -> Iterator[int]:
    """Take a port as a stopped process does: the system connects, nobody answers."""
    with listen_on_port("127.0.0.1", 0) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def _nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in OF_THE_ENVIRONMENT:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("F2B_PORT", str(free_port()))
    monkeypatch.setattr(sys, "argv", ["probe"])


def answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **variables: str
) -> tuple[int, str]:
    """Run the command; return its exit code and its line."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code = 0
    try:
        probe.main()
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    assert (said.err, said.out.count("\n"), said.out[-1:]) == ("", 1, "\n"), "one line"
    return code, said.out.rstrip("\n")


def test_a_worker_that_lives_is_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working() as worker:
        assert answer(monkeypatch, capsys, F2B_METRICS_PORT=str(worker.port)) == (0, "ok")


def test_a_worker_that_can_do_nothing_now_is_healthy_but_not_ready(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working() as worker:
        worker.problem = "the queue is away"
        assert answer(monkeypatch, capsys, F2B_METRICS_PORT=str(worker.port)) == (0, "ok")
        monkeypatch.setattr(sys, "argv", ["probe", "readyz"])
        assert answer(monkeypatch, capsys) == (1, "f2b_worker.probe: the queue is away (HTTP 503)")


def test_a_worker_of_which_a_part_died_is_unhealthy_and_the_line_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working() as worker:
        worker.dead = "worker 1 is dead,\nand is started again soon"
        assert answer(monkeypatch, capsys, F2B_METRICS_PORT=str(worker.port)) == (
            1,
            "f2b_worker.probe: worker 1 is dead, and is started again soon (HTTP 503)",
        )


def test_a_process_that_hangs_is_unhealthy_although_its_port_is_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(probe, "WITHIN_S", 0.05)
    with hanging() as port, working() as shim:
        code, line = answer(monkeypatch, capsys, F2B_METRICS_PORT=str(port), F2B_PORT=str(shim.port))
    assert code == 1
    assert f"port {port}: no answer within" in line, "another process on the other port speaks for nobody"


def test_where_nobody_listens_the_line_names_both_ports(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = str(free_port()), str(free_port())
    code, line = answer(monkeypatch, capsys, F2B_METRICS_PORT=one, F2B_PORT=other)
    assert code == 1
    assert f"nobody listens on port {one} of 127.0.0.1 nor on port {other} of 127.0.0.1" in line


def test_a_shim_is_asked_on_its_own_port_although_the_image_sets_a_port_for_metrics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working() as shim:
        said = answer(monkeypatch, capsys, F2B_METRICS_PORT=str(free_port()), F2B_PORT=str(shim.port))
        assert said == (0, "ok")
        assert answer(monkeypatch, capsys, F2B_METRICS_PORT="") == (0, "ok")


def test_standalone_mode_is_healthy_only_if_the_judge_and_the_process_for_http_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working() as judge, working() as http:
        both = {"F2B_STANDALONE": "true", "F2B_METRICS_PORT": str(judge.port), "F2B_PORT": str(http.port)}
        assert answer(monkeypatch, capsys, **both) == (0, "ok")
        http.dead = "it is dead"
        assert answer(monkeypatch, capsys, **both) == (1, "f2b_worker.probe: it is dead (HTTP 503)")
        http.dead, judge.dead = None, "the judge is dead"
        assert answer(monkeypatch, capsys, **both) == (1, "f2b_worker.probe: the judge is dead (HTTP 503)")


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "on", "false", "0", "off", "", "no"])
def test_standalone_mode_is_on_by_the_words_that_switch_it_on(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from f2b_worker.config.values import is_on  # noqa: PLC0415 - the other tests start sooner

    monkeypatch.setenv("F2B_STANDALONE", word)
    monkeypatch.setenv("F2B_METRICS_PORT", "9100")
    assert (len(probe.places()) == 2) is is_on(word)


def test_by_default_the_shims_port_is_that_of_its_setting() -> None:
    from f2b_worker.config.settings import WorkerSettings  # noqa: PLC0415 - the other tests start sooner
    from f2b_worker.config.shim_settings import ShimSettings  # noqa: PLC0415 - the other tests start sooner

    for settings in (ShimSettings, WorkerSettings):
        assert settings.model_fields["port"].default == probe.SHIM_PORT


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", "::", "::1", "localhost"])
def test_who_listens_on_one_address_or_on_all_is_asked_there(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with working(host) as worker:
        said = answer(monkeypatch, capsys, F2B_METRICS_PORT=str(worker.port), F2B_METRICS_HOST=host)
    assert said == (0, "ok")


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("port", ["no", "0", "65536", "-1", "9100/tcp", "٩١٠٠"])
def test_a_port_that_is_none_is_refused_by_its_variable(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = answer(monkeypatch, capsys, F2B_METRICS_PORT=port)
    assert code == 1
    assert line.startswith("f2b_worker.probe: F2B_METRICS_PORT is no port:")


def test_a_host_that_cannot_be_asked_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Neither name needs a resolver: the second is an address, though none of this machine's.
    code, line = answer(monkeypatch, capsys, F2B_METRICS_PORT="9100", F2B_METRICS_HOST="f2b..invalid")
    assert code == 1
    assert line.startswith("f2b_worker.probe: 'f2b..invalid' is no host: ")
    code, line = answer(monkeypatch, capsys, F2B_METRICS_HOST="255.255.255.255")
    assert code == 1
    assert line.startswith("f2b_worker.probe: 255.255.255.255 port 9100: ")


def test_both_processes_of_standalone_mode_answer_within_one_time_so_that_docker_does_not_end_the_check() -> None:
    with working() as http, pytest.raises(probe.Unwell, match=f"port {http.port}: no answer within 5 s"):
        probe.ask("healthz", [("127.0.0.1", http.port)], ends_s=time.monotonic())


@pytest.mark.parametrize(
    ("said", "told"),
    [(b"220 mail ready\r\n", "speaks no HTTP"), (b"HTTP/1.1 200 O", "broke off after 'HTTP/1.1 200 O'")],
)
def test_a_program_of_others_on_the_port_is_no_healthy_f2b_and_half_an_answer_is_none(
    said: bytes, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen_on_port("127.0.0.1", 0) as listener:
        greeting = threading.Thread(target=_greet, args=(listener, said))
        greeting.start()
        code, line = answer(monkeypatch, capsys, F2B_METRICS_PORT=str(listener.getsockname()[1]))
        greeting.join()
    assert code == 1
    assert told in line


def _greet(listener: socket.socket, said: bytes) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(1000)
        client.sendall(said)


def test_a_wrong_word_on_the_command_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["probe", "metrics"])
    assert answer(monkeypatch, capsys) == (1, "f2b_worker.probe: give one of healthz, readyz, or nothing")


def test_the_probe_imports_nothing_of_others_and_of_f2b_itself_alone() -> None:
    listed = "import sys; before = set(sys.modules); import f2b_worker.probe; print(*set(sys.modules) - before)"
    told = subprocess.run([sys.executable, "-I", "-c", listed], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in told.stdout.split()}
    assert packages <= {*sys.stdlib_module_names, "f2b_worker"}
    assert {name for name in told.stdout.split() if name.startswith("f2b_worker")} == {
        "f2b_worker",
        "f2b_worker.probe",
    }
