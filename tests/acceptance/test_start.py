"""What keeps a worker from starting: what may pass is waited for, and what is set wrongly is one line at once."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, eventually, free_port, get
from tests.acceptance.attacks import report, send_bodies
from tests.wrong_settings import OF_THE_METADATA_SERVICE, WRONG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

WRONG_HERE = WRONG | {
    "AWS_ENDPOINT_URL_SQS": "localhost:4566",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:abc",
    "HTTP_PROXY": "http://127.0.0.1:abc",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/there/is/none",
}
READ_BY_WHO_HAS_NO_KEYS = {*OF_THE_METADATA_SERVICE, "AWS_WEB_IDENTITY_TOKEN_FILE"}
AT_ONCE_S = 20.0
"""Imports included, beside a busy neighbour; who waits for AWS waits for 30 s after them."""


@contextmanager
def credentials_from(account: str, *, failures: int, status: int = 500, pause_s: float = 0.0) -> Iterator[str]:
    """Serve credentials as a container's endpoint does; the first calls fail, or are slow."""
    asked = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            early = len(asked) <= failures
            if early:
                time.sleep(pause_s)
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
            keys = {"AccessKeyId": account, "SecretAccessKey": "local", "Token": "local", "Expiration": ends}
            body = json.dumps(keys).encode()
            self.send_response(status if early else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that gave up is meant
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/credentials"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def from_endpoint(fleet: Fleet, url: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        fleet.environment.pop(name, None)
    fleet.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url


@pytest.mark.parametrize(("status", "pause_s"), [(500, 0.0), (200, 2.5)])
def test_a_credentials_endpoint_that_fails_or_is_slow_at_first_is_waited_for(
    fleet: Fleet, account: str, tmp_path: Path, status: int, pause_s: float
) -> None:
    log = tmp_path / "log"
    with credentials_from(account, failures=4, status=status, pause_s=pause_s) as url:
        from_endpoint(fleet, url)
        worker = fleet.start_worker(log=log)
        send_bodies(fleet, report("203.0.113.9", 3))

        eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "it is banned", 60, 0.6)

        worker.terminate()
        assert worker.wait(12) == 0
        assert log.read_text().count("trying_again") == log.read_text().count("works_again") == 1


@pytest.mark.parametrize("processes", ["1", "2"])
def test_credentials_that_do_not_come_end_a_start_with_5_which_asks_for_another(
    fleet: Fleet, account: str, tmp_path: Path, processes: str
) -> None:
    log = tmp_path / "log"
    with credentials_from(account, failures=1_000_000) as url:
        from_endpoint(fleet, url)
        worker = fleet.start_worker("--processes", processes, log=log)
        assert worker.wait(100) == 5
    assert log.read_text().splitlines()[-1].endswith("gave up after 30 s")
    assert log.read_text().count("trying_again") == int(processes)


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestExpired"])
def test_what_expired_at_start_is_waited_for_until_it_is_renewed(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path, code: str
) -> None:
    log = tmp_path / "log"
    local_aws.edge.fault("sqs:*", "throttle", code=code)
    worker = fleet.start_worker(log=log)
    eventually(lambda: "trying_again" in log.read_text(), "it waits", 30)

    local_aws.edge.clear_faults()

    eventually(lambda: '"working"' in log.read_text(), "it works", 30)
    worker.terminate()
    assert worker.wait(12) == 0


def closed_before(program: str, which: str = "<&- 1>&- 2>&-") -> list[str]:
    """Start a program as `program <&- 1>&- 2>&-` does."""
    return ["sh", "-c", f'exec "$@" {which}', "sh", str(BIN / program)]


CLOSED = pytest.mark.parametrize("which", ["<&-", "1>&-", "2>&-", "<&- 1>&- 2>&-"])


@CLOSED
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_worker_whose_standard_files_are_closed_judges_and_stops_with_code_0(
    fleet: Fleet, processes: str, which: str
) -> None:
    worker = fleet.start_worker("--processes", processes, program=closed_before("f2b-worker", which))
    send_bodies(fleet, report("203.0.113.9", 3))

    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "it is banned", 60, 0.6)

    worker.terminate()
    assert worker.wait(12) == 0


@CLOSED
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_shim_whose_standard_files_are_closed_takes_reports_and_stops_with_code_0(
    fleet: Fleet, workers: str, which: str
) -> None:
    fleet.start_shim("--workers", workers, program=closed_before("f2b-shim", which))

    assert fleet.get("/infraction/203.0.113.9") == (200, "ok\n")
    assert fleet.queued() == 1

    assert fleet.shim
    fleet.shim.terminate()
    assert fleet.shim.wait(12) == 0


@CLOSED
def test_standalone_mode_whose_standard_files_are_closed_bans_and_stops_with_code_0(
    fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]], which: str
) -> None:
    worker = start(program=closed_before("f2b-worker", which))

    assert [fleet.get("/infraction/203.0.113.9")[0] for _ in range(3)] == [200] * 3

    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "it is banned", 30, 0.6)
    worker.terminate()
    assert worker.wait(12) == 0


@pytest.mark.parametrize("which", ["<&-", "2>&-"])
def test_a_replay_whose_standard_files_are_closed_reads_what_there_is_and_ends_with_0(which: str) -> None:
    command = [*closed_before("f2b", which), "replay", "--config", "/dev/null", "-"]

    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 0
    assert done.stdout.startswith("JAIL")


@pytest.mark.parametrize("name", WRONG_HERE)
def test_a_wrong_setting_of_awss_own_is_one_line_at_once_that_names_it_and_exit_code_3(
    fleet: Fleet, tmp_path: Path, name: str
) -> None:
    log = tmp_path / "log"
    fleet.environment |= {name: WRONG_HERE[name]}
    if name == "HTTP_PROXY":
        fleet.environment |= {"NO_PROXY": "", "no_proxy": ""}
    if name in READ_BY_WHO_HAS_NO_KEYS:
        fleet.environment.pop("AWS_ACCESS_KEY_ID")
        fleet.environment["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/f2b"
    began_s = time.monotonic()

    assert fleet.start_worker(log=log).wait(60) == 3

    assert time.monotonic() - began_s < AT_ONCE_S
    (line,) = log.read_text().splitlines()
    assert line.endswith(f"check {name}")


def test_an_endpoint_of_another_scheme_than_http_is_a_wrong_setting(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    fleet.environment["AWS_ENDPOINT_URL_SQS"] = "ftp://127.0.0.1"
    assert fleet.start_worker(log=log).wait(AT_ONCE_S) == 3
    assert log.read_text().endswith("check AWS_ENDPOINT_URL_SQS\n")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_credentials_with_a_line_break_are_one_line_at_once_that_does_not_show_them(
    fleet: Fleet, tmp_path: Path, name: str
) -> None:
    log = tmp_path / "log"
    fleet.environment[name] = "MYSECRET\n"
    assert fleet.start_worker(log=log).wait(AT_ONCE_S) == 3
    (line,) = log.read_text().splitlines()
    assert "hold a line break" in line
    assert name in line
    assert "MYSECRET" not in line


def test_a_queue_whose_name_ends_with_a_line_break_is_one_line_at_once(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert fleet.start_worker("--queue", "f2b\n", log=log).wait(AT_ONCE_S) == 3
    (line,) = log.read_text().splitlines()
    assert line.startswith("f2b-worker: --queue: 'f2b\\n' holds a space, a line break")


def test_a_broken_configuration_file_of_aws_is_one_line_in_a_pool_and_in_the_shim(
    fleet: Fleet, tmp_path: Path
) -> None:
    file = tmp_path / "aws"
    file.write_text("[profile")
    fleet.environment["AWS_CONFIG_FILE"] = str(file)
    told = f"SQS client: Unable to parse config file: {file}; check AWS_CONFIG_FILE\n"
    log = tmp_path / "log"

    assert fleet.start_worker("--processes", "2", log=log).wait(60) == 3
    assert log.read_text() == f"f2b-worker: {told}"
    shim = subprocess.run(
        [str(BIN / "f2b-shim"), "--queue", NAME],
        env=fleet.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shim.returncode, shim.stderr) == (3, f"f2b-shim: {told}")


def test_an_interrupt_while_aws_is_away_is_one_line_and_130(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    fleet.environment["AWS_ENDPOINT_URL_SQS"] = f"http://127.0.0.1:{free_port()}"
    worker = fleet.start_worker(log=log)
    eventually(lambda: "trying_again" in log.read_text(), "it waits", 30)

    worker.send_signal(signal.SIGINT)

    assert worker.wait(10) == 130
    others = [line for line in log.read_text().splitlines() if "trying_again" not in line]
    assert others == ["f2b-worker: interrupted"]


def test_an_interrupt_of_a_worker_is_a_stop(fleet: Fleet) -> None:
    port = free_port()
    worker = fleet.start_worker("--metrics-port", str(port))
    eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "it is ready", 30)

    worker.send_signal(signal.SIGINT)

    assert worker.wait(12) == 0
