"""Real clients that are old or odd, and a proxy that is set wrong, before a real shim."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.fleet import eventually, free_port
from demo.proxies import haproxy
from tests.debian import program
from tests.log_lines import logged

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet

IP = "203.0.113.7"
BODY = json.dumps([{"ip": "198.51.100.1"}, {"ip": "198.51.100.2"}])
JAVA = """
import java.net.URI;
import java.net.http.*;

class Client {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        var body = HttpRequest.BodyPublishers.ofString(arguments[1]);
        for (int number = 0; number < 3; number++) {
            var post = HttpRequest.newBuilder(URI.create(arguments[0] + "/infractions")).POST(body).build();
            System.out.print(client.send(post, HttpResponse.BodyHandlers.ofString()).body());
        }
    }
}
"""


@pytest.fixture
def shim(fleet: Fleet, tmp_path: Path) -> Fleet:
    fleet.start_shim(log=tmp_path / "shim.log")
    return fleet


def said(*command: str, sent: str | None = None) -> str:
    """Run a client; answer what it prints, and what it complains of."""
    done = subprocess.run(
        [program(command[0]), *command[1:]], input=sent, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def address(shim: Fleet) -> tuple[str, str]:
    host, port = shim.shim_url.removeprefix("http://").split(":")
    return host, port


def refused(shim: Fleet, reason: str) -> float:
    found = re.search(rf'f2b_shim_refused_total{{reason="{reason}"}} (\S+)', shim.get("/metrics")[1])
    return float(found.group(1)) if found else 0.0


def stored(shim: Fleet) -> float:
    found = re.search(r"\nf2b_shim_stored_total (\S+)", shim.get("/metrics")[1])
    return float(found.group(1)) if found else 0.0


def test_clients_that_half_close_or_end_lines_in_lf_are_stored_and_answered(shim: Fleet) -> None:
    host, port = address(shim)
    for line_end in ("\r\n", "\n"):
        ask = line_end.join([f"GET /infraction/{IP} HTTP/1.1", "Host: shim", "", ""])
        assert said("nc", "-N", host, port, sent=ask).endswith("ok\n")
        assert said("nc", "-N", host, port, sent=ask * 3).count("200 OK") == 3
        assert said("busybox", "nc", "-w", "5", host, port, sent=ask).endswith("ok\n")
    assert said("busybox", "wget", "-qO-", f"{shim.shim_url}/infraction/{IP}") == "ok\n"
    assert said("nc", "-N", host, port, sent="GET / HT").startswith("HTTP/1.1 400 ")
    assert stored(shim) == 11
    assert refused(shim, "incomplete") == 1


def test_java_and_curl_that_offer_h2c_lose_no_body(shim: Fleet, tmp_path: Path) -> None:
    (tmp_path / "Client.java").write_text(JAVA)
    assert said("java", str(tmp_path / "Client.java"), shim.shim_url, BODY) == '{"stored": 2}\n' * 3
    curl = ["curl", "-sS", "--http2", "-d", BODY, f"{shim.shim_url}/infractions"]
    assert said(*curl) == '{"stored": 2}\n'
    assert said("curl", "-sS", "--http2", f"{shim.shim_url}/infraction/{IP}") == "ok\n"
    assert stored(shim) == 9


def test_a_body_behind_an_offer_smuggles_nothing_also_if_it_comes_later(shim: Fleet) -> None:
    hidden = f"GET /infraction/{IP} HTTP/1.1\r\nHost: shim\r\n\r\n".encode()
    head = "POST /infractions HTTP/1.1\r\nHost: shim\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: "
    host, port = address(shim)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"{head}{len(hidden)}\r\n\r\n".encode())
        eventually(lambda: shim.get("/healthz")[0] == 200, "the shim has read it", 10)
        connection.sendall(hidden)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: shim\r\nConnection: close\r\n\r\n")
        told = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"400", b"200"]
    assert stored(shim) == 0


def test_an_http_1_0_client_that_keeps_its_connection_is_served_over_one(shim: Fleet) -> None:
    told = said("ab", "-k", "-n", "50", f"{shim.shim_url}/infraction/{IP}")
    assert re.search(r"Keep-Alive requests: +50\n", told), told
    assert stored(shim) == 50


def test_what_speaks_another_protocol_is_told_and_counted_and_logged(shim: Fleet, tmp_path: Path) -> None:
    url, (host, port) = shim.shim_url, address(shim)
    said("curl", "-sS", "--http2-prior-knowledge", f"{url}/infraction/{IP}")
    with pytest.raises(ssl.SSLError), socket.create_connection((host, int(port)), timeout=20) as connection:
        ssl.create_default_context().wrap_socket(connection, server_hostname="shim")
    told = said("curl", "-sS", "-p", "-x", url, "http://192.0.2.1/")
    assert "501" in told
    assert said("nc", "-N", host, port, sent=f"GET /infraction/{IP}\r\n").startswith("HTTP/1.1 505 ")
    reasons = ["http2", "tls", "tunnel", "http_version"]
    assert [refused(shim, each) for each in reasons] == [1] * 4
    assert stored(shim) == 0
    shim.stop()
    assert [each["kind"] for each in logged(tmp_path / "shim.log", "foreign_protocol")] == reasons


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2"])
def test_a_proxy_that_sends_the_proxy_protocol_hears_what_to_remove(shim: Fleet, tmp_path: Path, how: str) -> None:
    port = free_port()
    host, shims = address(shim)
    rest = f"listen f2b\n    bind 127.0.0.1:{port}\n    server shim {host}:{shims} {how}\n"
    with haproxy(tmp_path / "haproxy", port, rest):
        told = said("curl", "-sS", "-i", f"http://127.0.0.1:{port}/infraction/{IP}")
    assert told.startswith("HTTP/1.1 400 ")
    assert "remove send-proxy" in told
    assert refused(shim, "proxy_protocol") == 1
    assert stored(shim) == 0
    shim.stop()
    assert logged(tmp_path / "shim.log", "foreign_protocol")[0]["kind"] == "proxy_protocol"
