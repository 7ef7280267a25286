"""A listening socket that a supervisor hands over: the protocol of sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from f2b_worker.errors import StartError
from f2b_worker.http.listening import handed_listener, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = str(os.getpid())
NO_LISTENER = r"^LISTEN_FDS=1: what was handed over is no TCP or UNIX socket that listens:"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def handed(
    given: socket.socket | int, *, number: str = "1", pid: str = OURS
) -> tuple[socket.socket | None, dict[str, str]]:
    """Hand a copy over, and tell what is left of the environment."""
    environment = {"LISTEN_FDS": number, "LISTEN_PID": pid, "LISTEN_FDNAMES": "f2b-shim.socket", "HOME": "/"}
    first = os.dup(given if isinstance(given, int) else given.fileno())
    os.set_inheritable(first, True)
    try:
        found = handed_listener(environment, first)
    except StartError:
        os.close(first)
        raise
    if found is None:
        os.close(first)
    return found, environment


def test_a_tcp_socket_that_was_handed_over_is_taken_and_its_clients_come_in(listening: socket.socket) -> None:
    found, _ = handed(listening)
    assert found is not None
    with found, socket.create_connection(listening.getsockname()):
        assert found.getsockname() == listening.getsockname()
        found.accept()[0].close()


def test_a_unix_socket_that_was_handed_over_is_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "f2b.sock"))
        listener.listen()
        found, _ = handed(listener)
    assert found is not None
    with found:
        assert place_of(found) == str(tmp_path / "f2b.sock")


def test_no_child_gets_the_socket_or_the_variables_that_speak_of_it(listening: socket.socket) -> None:
    found, environment = handed(listening)
    assert found is not None
    with found:
        assert not found.get_inheritable()
        assert environment == {"HOME": "/"}


def test_what_was_handed_to_another_process_is_left_alone_and_the_variables_are_taken_out(
    listening: socket.socket,
) -> None:
    assert handed(listening, pid=str(os.getppid())) == (None, {"HOME": "/"})


def test_where_nothing_was_handed_over_nothing_is_taken() -> None:
    assert handed_listener({"HOME": "/"}) is None


@pytest.mark.parametrize("number", ["0", "2", "many", ""])
def test_another_number_of_sockets_than_one_is_refused_in_one_line(listening: socket.socket, number: str) -> None:
    with pytest.raises(
        StartError, match=rf"^LISTEN_FDS={number}: f2b takes one listening socket: leave one ListenStream="
    ):
        handed(listening, number=number)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_takes_no_connections_is_refused_in_one_line(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as given, pytest.raises(StartError, match=NO_LISTENER):
        handed(given)


def test_a_unix_socket_that_listens_for_packets_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as given:
        given.bind(str(tmp_path / "f2b.sock"))
        given.listen()
        with pytest.raises(StartError, match=NO_LISTENER):
            handed(given)


def test_what_is_no_socket_is_refused_in_one_line(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as given, pytest.raises(StartError, match=NO_LISTENER):
        handed(given.fileno())


@pytest.mark.parametrize(
    ("family", "address", "shown"),
    [(socket.AF_INET, "127.0.0.1", "127.0.0.1:"), (socket.AF_INET6, "::1", "[::1]:")],
)
def test_a_place_is_shown_as_people_write_it(family: socket.AddressFamily, address: str, shown: str) -> None:
    with socket.create_server((address, 0), family=family) as listener:
        assert place_of(listener) == f"{shown}{listener.getsockname()[1]}"


def test_an_abstract_unix_socket_is_shown_with_an_at_sign_as_ss_does() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0f2b-test-{OURS}")
        assert place_of(listener) == f"@f2b-test-{OURS}"
