"""A listening socket that a supervisor holds and hands over: a restart costs no client anything but the wait."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from demo import proxies
from demo.fleet import BIN, NAME, eventually, free_port
from demo.handing import handed
from f2b_worker.http.listening import place_of
from tests.acceptance.kept_clients import KeptClients, OnSocketFile, at_port
from tests.acceptance.processes import of_process
from tests.acceptance.stops import CLIENTS, in_the_queue, judged
from tests.debian import program
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.fleet import Fleet

ANEW = CLIENTS // 2
WAITING = 8
STARTS_WITHIN_S = 90.0
ANSWERED_WITHIN_S = 2 * STARTS_WITHIN_S
SHIM = (str(BIN / "f2b-shim"), "--queue", NAME)


class Held:
    """A supervisor: it holds a socket, and starts one command after another at it."""

    def __init__(self, fleet: Fleet, listener: socket.socket, log: Path, command: tuple[str, ...]) -> None:
        self.listener = listener
        self._fleet = fleet
        self._log = log
        self._command = command
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as sink:
            environment = self._fleet.environment
            self.process = handed(
                self.listener, self._command, env=environment, stderr=sink, start_new_session=True
            )
        self._fleet.workers.append(self.process)

    def restart(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0, self._log.read_text()
        self.start()

    def kill(self) -> None:
        """Kill it with all that belongs to it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def on_port() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextmanager
def on_file(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


def standalone(state: Path, tmp_path: Path) -> tuple[str, ...]:
    jails = str(tmp_path / "f2b.toml")
    return (str(BIN / "f2b-worker"), "--standalone", "--state", str(state), "--config", jails)


def restarted_twice_under(clients: KeptClients, held: Held) -> None:
    """Restart while clients report, and see that each of them got its 200 each time."""
    with clients:
        for _ in range(2):
            before = clients.seen.stored
            eventually(lambda: clients.seen.stored > before + CLIENTS, "they report", STARTS_WITHIN_S)  # noqa: B023
            held.restart()
        before = clients.seen.stored
        eventually(lambda: clients.seen.stored > before + CLIENTS, "they go on", STARTS_WITHIN_S)
    seen = clients.seen
    assert (seen.cut, seen.others, seen.refused) == ([], [], 0)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_shim_that_is_restarted_twice_costs_none_of_64_clients_at_its_port_an_answer(
    fleet: Fleet, tmp_path: Path, workers: str
) -> None:
    with on_port() as listener:
        held = Held(fleet, listener, tmp_path / "log", (*SHIM, "--workers", workers))
        connect = at_port(listener.getsockname()[1], ANSWERED_WITHIN_S)
        clients = KeptClients(connect, CLIENTS, anew=ANEW)
        restarted_twice_under(clients, held)
    assert in_the_queue(fleet) == Counter(clients.seen.answered)


def test_a_shim_that_is_restarted_twice_costs_nobody_an_answer_at_a_unix_socket_whose_file_stays(
    fleet: Fleet, tmp_path: Path
) -> None:
    path = tmp_path / "f2b.sock"
    with on_file(path) as listener:
        held = Held(fleet, listener, tmp_path / "log", SHIM)
        identity = path.stat().st_ino
        clients = KeptClients(lambda: OnSocketFile(str(path), ANSWERED_WITHIN_S), CLIENTS, anew=ANEW)
        restarted_twice_under(clients, held)
        held.process.terminate()
        assert held.process.wait(30) == 0
        assert path.stat().st_ino == identity
    assert in_the_queue(fleet) == Counter(clients.seen.answered)


def test_standalone_mode_that_is_restarted_twice_behind_nginx_as_it_comes_costs_no_client_an_answer(
    fleet: Fleet, state: Path, tmp_path: Path
) -> None:
    port = free_port()
    with on_port() as listener:
        site = f"location / {{ proxy_pass http://{place_of(listener)}; }}"
        http = f"server {{ listen 127.0.0.1:{port}; {site} }}"
        with proxies.nginx(tmp_path / "nginx", port, http):
            held = Held(fleet, listener, tmp_path / "log", standalone(state, tmp_path))
            clients = KeptClients(at_port(port, ANSWERED_WITHIN_S), CLIENTS, anew=ANEW)
            restarted_twice_under(clients, held)
            assert judged(state) == Counter(clients.seen.answered)


@pytest.mark.parametrize("what", ["shim", "shim of two processes", "standalone"])
def test_who_waits_at_the_socket_while_a_process_is_killed_is_answered_by_the_next_one_and_who_left_counts(
    fleet: Fleet, state: Path, tmp_path: Path, what: str
) -> None:
    shims = {"shim": SHIM, "shim of two processes": (*SHIM, "--workers", "2")}
    with on_port() as listener:
        held = Held(fleet, listener, tmp_path / "log", shims.get(what) or standalone(state, tmp_path))
        fleet.shim_url = f"http://{place_of(listener)}"
        eventually(lambda: fleet.get("/readyz")[0] == 200, "it is ready", STARTS_WITHIN_S)
        os.killpg(held.process.pid, signal.SIGSTOP)  # from now on it takes nobody
        gives_up, *waiting = [at_port(fleet.shim_port, ANSWERED_WITHIN_S)() for _ in range(WAITING)]
        for number, each in enumerate([gives_up, *waiting]):
            each.request("GET", f"/infraction/199.0.0.{number}")
        held.kill()
        gives_up.close()

        held.start()

        for each in waiting:
            assert each.getresponse().status == 200
            each.close()
        held.restart()  # what it has taken is stored by then, also of who has gone
    wanted = Counter(f"199.0.0.{number}" for number in range(WAITING))
    assert (judged(state) if what == "standalone" else in_the_queue(fleet)) == wanted


def test_systemd_socket_activate_starts_a_shim_for_the_first_client_which_is_answered(fleet: Fleet) -> None:
    port = free_port()
    fleet.shim_url = f"http://127.0.0.1:{port}"
    variables = [f"--setenv={name}={value}" for name, value in fleet.environment.items()]
    command = [program("systemd-socket-activate"), *variables, "--listen", f"127.0.0.1:{port}", *SHIM]
    fleet.workers.append(subprocess.Popen(command, env=fleet.environment, start_new_session=True))
    eventually(proxies.listens(port), "it listens", 30)
    eventually(lambda: fleet.get("/infraction/199.0.0.1") == (200, "ok\n"), "it answers", STARTS_WITHIN_S)
    assert in_the_queue(fleet)["199.0.0.1"] >= 1  # asked again where the start takes longer than a client waits


def log_of(fleet: Fleet, listener: socket.socket, tmp_path: Path, *options: str) -> tuple[Held, Path]:
    """Start a shim, and wait until it has said all that it says at its start."""
    log = tmp_path / "log"
    held = Held(fleet, listener, log, (*SHIM, *options))
    eventually(lambda: bool(logged(log, "listening")), "it says so", STARTS_WITHIN_S)
    return held, log


def test_the_log_says_where_a_shim_listens_whatever_its_options_say_and_that_it_is_open_to_all(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.environment["F2B_UDS"] = str(tmp_path / "not.sock")
    with on_port() as listener:
        _, log = log_of(fleet, listener, tmp_path, "--port", str(free_port()), "--host", "127.0.0.2")
        port = listener.getsockname()[1]
        fleet.shim_url = f"http://127.0.0.1:{port}"
        eventually(lambda: fleet.get("/readyz")[0] == 200, "it is ready", STARTS_WITHIN_S)
    said: list[dict[str, Any]] = [*logged(log, "listening"), *logged(log, "open_to_all")]
    assert (said[0]["at"], said[0]["handed_over"]) == (f"127.0.0.1:{port}", True)
    assert [(each["host"], each["port"]) for each in said[1:]] == [("127.0.0.1", port)]
    assert not (tmp_path / "not.sock").exists()


def test_of_a_unix_socket_its_folder_decides_who_reaches_it_and_no_child_hears_that_it_was_handed_over(
    fleet: Fleet, tmp_path: Path
) -> None:
    with on_file(tmp_path / "f2b.sock") as listener:
        held, log = log_of(fleet, listener, tmp_path, "--workers", "2")
        main = held.process.pid

        def environments() -> list[bytes]:
            children = of_process(main, f"task/{main}/children").split()
            return [of_process(int(child), "environ") for child in children]

        def none_hears() -> bool:
            found = environments()  # each has ours until it has become a program of its own
            return len(found) >= 2 and not any(b"LISTEN_" in each for each in found)

        eventually(none_hears, "its processes run, and none of them hears of it", STARTS_WITHIN_S)
        assert logged(log, "open_to_all") == []


@pytest.mark.parametrize("command", [SHIM, ("standalone",)])
def test_a_socket_that_does_not_listen_is_one_line_and_exit_code_3(
    fleet: Fleet, state: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    command = standalone(state, tmp_path) if command == ("standalone",) else command
    with socket.socket() as given:
        process = handed(given, command, env=fleet.environment, stderr=subprocess.PIPE)
        _, told = process.communicate(timeout=STARTS_WITHIN_S)
    lines = [line for line in told.decode().splitlines() if not line.startswith("{")]
    assert process.returncode == 3
    (line,) = lines
    assert "LISTEN_FDS=1: what was handed over is no TCP or UNIX socket that listens" in line
