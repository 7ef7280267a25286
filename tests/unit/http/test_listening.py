"""The file of a UNIX socket: taken where nobody uses it, and nothing else is ever removed."""

from __future__ import annotations

import errno
import socket
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from f2b_worker.errors import StartError
from f2b_worker.http import listening
from f2b_worker.http.listening import SocketFile, let_nobody_in, listen_on_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.sock"


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")
@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_once_nobody_is_let_in_a_newcomer_waits_and_who_is_in_can_talk(host: str) -> None:
    with listen_on_port(host, 0) as listener, socket.socket() as newcomer:
        at = ("127.0.0.1", listener.getsockname()[1])
        with socket.create_connection(at) as waits:
            let_nobody_in(listener)
            newcomer.setblocking(False)
            assert newcomer.connect_ex(at) == errno.EINPROGRESS
            accepted, _ = listener.accept()
            listener.setblocking(False)
            with accepted:
                waits.sendall(b"what it asks")
                assert accepted.recv(100) == b"what it asks"
                with pytest.raises(BlockingIOError):
                    listener.accept()
            with pytest.raises(OSError, match="not connected"):
                newcomer.getpeername()


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's sockets")
def test_once_nobody_is_let_in_at_a_unix_socket_a_newcomer_is_refused_and_who_is_in_can_talk(path: Path) -> None:
    listener = SocketFile(path).listener
    with listener, socket.socket(socket.AF_UNIX) as waits:
        waits.connect(str(path))
        let_nobody_in(listener)
        assert not connects(path)
        accepted, _ = listener.accept()
        with accepted:
            waits.sendall(b"what it asks")
            assert accepted.recv(100) == b"what it asks"


def test_a_socket_is_there_for_everybody_who_may_enter_its_folder_and_removed_at_the_end(path: Path) -> None:
    made = SocketFile(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert connects(path)
    made.listener.close()
    made.remove()
    assert not path.exists()


def test_that_of_a_dead_process_is_replaced(path: Path) -> None:
    SocketFile(path).listener.close()  # and its file stays
    assert not connects(path)
    made = SocketFile(path)
    assert connects(path)
    made.listener.close()


def test_that_of_a_living_process_is_refused_in_one_line_and_stays(path: Path) -> None:
    first = SocketFile(path)
    with pytest.raises(StartError, match=r"^--uds .*f2b\.sock: another process listens on it$"):
        SocketFile(path)
    assert connects(path)
    first.listener.close()


def test_a_file_that_is_no_socket_is_refused_in_one_line_and_stays(path: Path) -> None:
    path.write_text("a diary")
    with pytest.raises(StartError, match=r"^--uds .*f2b\.sock: this is no socket; it stays as it is"):
        SocketFile(path)
    assert path.read_text() == "a diary"


def test_a_link_to_a_socket_is_no_socket_and_stays(path: Path, tmp_path: Path) -> None:
    SocketFile(tmp_path / "other.sock").listener.close()
    path.symlink_to(tmp_path / "other.sock")
    with pytest.raises(StartError, match="this is no socket"):
        SocketFile(path)
    assert path.is_symlink()


@pytest.mark.parametrize(
    ("name", "why"),
    [("no/such/folder.sock", "No such file or directory"), ("x" * 200, "AF_UNIX path too long")],
)
def test_a_file_that_cannot_be_is_said_in_one_line(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(StartError, match=rf"^--uds .*: {why}$"):
        SocketFile(tmp_path / name)


def test_a_process_that_ends_late_leaves_the_socket_of_its_successor(path: Path) -> None:
    first = SocketFile(path)
    first.listener.close()
    second = SocketFile(path)
    first.remove()
    assert connects(path)
    second.listener.close()
    second.remove()
    assert not path.exists()


def test_a_socket_whose_mode_was_changed_is_removed_at_the_end_as_any(path: Path) -> None:
    made = SocketFile(path)
    path.chmod(0o660)
    made.remove()
    assert not path.exists()


def test_the_socket_of_a_successor_stays_though_its_file_has_the_number_of_ours(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_identity", lambda _: (1, 2))
    first = SocketFile(path)
    path.unlink()
    with SocketFile(path).listener:
        first.remove()
        assert connects(path)


def reaches(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as client:
        return client.connect_ex((address, port)) == 0


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("localhost", ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1"]),
        ("", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("::", ["127.0.0.1", "::1"]),
        ("0::0", ["127.0.0.1", "::1"]),
    ],
)
def test_a_port_is_reached_at_the_addresses_of_its_host_and_at_no_other(host: str, reached: list[str]) -> None:
    with listen_on_port(host, 0) as listener:
        port: int = listener.getsockname()[1]
        assert [each for each in ("127.0.0.1", "::1") if reaches(each, port)] == reached


def test_of_two_that_start_at_once_the_second_hears_that_the_port_is_taken() -> None:
    with listen_on_port("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(StartError, match=rf"^--port {port}: cannot listen: Address already in use$"):
            listen_on_port("127.0.0.1", port)


def test_what_is_no_address_of_this_machine_is_refused_by_the_name_of_its_option() -> None:
    with pytest.raises(StartError, match=r"^--http-host 192\.0\.2\.1: cannot listen: Cannot assign"):
        listen_on_port("192.0.2.1", 0, "--http-")
