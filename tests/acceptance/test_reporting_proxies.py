"""Real proxies report failed logins by the configurations of docs/how-to/proxies.md, as they stand there."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from demo import proxies
from demo.fleet import eventually, free_port
from tests.docs.blocks import blocks_of
from tests.log_lines import logged

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.fleet import Fleet

TOKEN = "correct-horse-16"
ATTACKER, INNOCENT = "127.0.0.66", "127.0.0.7"
FORM = b"user=root&password=%s&comment=" + b"a" * 3000
BROWSER = {
    "Host": "api.shop.example",
    "Origin": "https://www.shop.example",
    "Sec-Fetch-Site": "same-site",
    "Sec-Fetch-Mode": "cors",
    "Authorization": "Basic cm9vdDp3cm9uZw==",
    "Cookie": "session=1",
    "Content-Type": "application/x-www-form-urlencoded",
}
OWN_PAGE = BROWSER | {"Origin": "https://api.shop.example", "Sec-Fetch-Site": "same-origin"}
WRITTEN = {block.saved_as: block.text for block in blocks_of("docs/how-to/proxies.md") if block.saved_as}
MODULES = "".join(
    f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
    for name in ("rewrite", "headers", "remoteip")
)
OLD = "proxy_pass http://127.0.0.1:8000/infraction/$remote_addr?jail=login;"
OF_THE_OLD_SERVICE = {
    "mirror": "location / { mirror /f2b; proxy_pass http://127.0.0.1:8080; } location = /f2b { %s }",
    "post_action": "location / { post_action @f2b; proxy_pass http://127.0.0.1:8080; } location @f2b { %s }",
    "auth_request": "location / { auth_request /f2b; proxy_pass http://127.0.0.1:8080; } location = /f2b { %s }",
    "error_page": (
        "location / { proxy_intercept_errors on; error_page 401 = @f2b; proxy_pass http://127.0.0.1:8080; }"
        " location @f2b { %s }"
    ),
}
"""As they were written for the old service: with the browser's method, headers and body."""


class App(BaseHTTPRequestHandler):
    """The application behind: 401 for a wrong password, as its own page has it."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_refused = b"wrong" in body or self.path.startswith("/members")
        text = b"this is no password\n" if is_refused else b"welcome\n"
        self.send_response(401 if is_refused else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves the application; a proxy may reset a connection that it needs no more."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Site:
    """A proxy before the application, and the shim that hears of it."""

    port: int
    folder: Path
    fleet: Fleet

    def filled_in(self, written: str, app_port: int) -> str:
        """Do what the page has its reader do."""
        ours = {
            "127.0.0.1:8000": self.fleet.shim_url.removeprefix("http://"),
            "127.0.0.1:8080": f"127.0.0.1:{app_port}",
            "TOKEN": TOKEN,
            "listen 80;": f"listen 127.0.0.1:{self.port};",
            "bind :80": f"bind 127.0.0.1:{self.port}",
            "Listen 80": f"Listen 127.0.0.1:{self.port}",
            "*:80": f"*:{self.port}",
            "10.0.0.0/8": "127.0.0.0/8",
            "/var/log/nginx": str(self.folder),
            "/var/www/errors": str(self.folder),
            "/etc/haproxy": str(self.folder),
        }
        for theirs, our in ours.items():
            written = written.replace(theirs, our)
        return written.replace('.port = "8000"', f'.port = "{self.fleet.shim_url.rpartition(":")[2]}"').replace(
            '.port = "8080"', f'.port = "{app_port}"'
        )

    def client(self, of: str) -> closing[http.client.HTTPConnection]:
        """Connect from an address of this machine."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10, source_address=(of, 0)))

    def ask(
        self, path: str, form: bytes | None, *, of: str, method: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Send one request over a connection of its own; answer status and text."""
        with self.client(of) as client:
            return answered(client, method or ("POST" if form else "GET"), path, form, headers or BROWSER)

    def fail(self, number: int = 5, headers: dict[str, str] | None = None) -> list[tuple[int, str]]:
        """Log in with a wrong password some times, over one connection if the proxy keeps it."""
        with self.client(ATTACKER) as client:
            form = FORM % b"wrong"
            return [answered(client, "POST", "/login", form, headers or BROWSER) for _ in range(number)]

    def succeed(self) -> None:
        """Log in with the right one, and look around."""
        for form in (FORM % b"right", None) * 3:
            assert self.ask("/login" if form else "/", form, of=INNOCENT) == (200, "welcome\n")

    def stored(self) -> dict[str, int]:
        """Count what was stored in the jail that the page names, by address."""
        connection = http.client.HTTPConnection(self.fleet.shim_url.removeprefix("http://"), timeout=10)
        connection.request(
            "GET", "/state/infractions", headers={"Accept": "application/json", "Authorization": f"Bearer {TOKEN}"}
        )
        rows = json.loads(connection.getresponse().read())["infractions"]
        connection.close()
        assert {row["jail"] for row in rows} <= {"login"}
        return {row["ip"]: row["infractions"] for row in rows}

    def has_stored(self, **expected: int) -> None:
        """Hold what was stored against what should be; some proxies report when the answer is out."""
        wanted = {"attacker": ATTACKER, "innocent": INNOCENT, "client": "203.0.113.9"}
        infractions = {wanted[name]: number for name, number in expected.items()}
        eventually(lambda: sum(self.stored().values()) >= sum(infractions.values()), "all is stored", 10)
        assert self.stored() == infractions


def answered(
    client: http.client.HTTPConnection, method: str, path: str, form: bytes | None, headers: dict[str, str]
) -> tuple[int, str]:
    """Send one request; answer status and text."""
    client.request(method, path, form, headers)
    answer = client.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture
def app_port() -> Iterator[int]:
    """Run the application behind."""
    with Server(("127.0.0.1", 0), App) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def site(fleet: Fleet, tmp_path: Path) -> Site:
    """Start the shim with a token."""
    fleet.environment["F2B_TOKEN"] = TOKEN
    fleet.start_shim("--expose-state", log=tmp_path / "shim.log")
    return Site(free_port(), tmp_path, fleet)


@contextmanager
def running(site: Site, app_port: int, name: str, *, before: str = "") -> Iterator[None]:
    """Run a proxy on a configuration of the page."""
    for file in ("f2b.conf", "f2b.lua"):
        (site.folder / file).write_text(site.filled_in(WRITTEN[file], app_port))
    lines = site.filled_in(before, app_port), site.filled_in(WRITTEN[name], app_port)
    proxy = name.partition("-")[0]
    if proxy == "haproxy":  # in the frontend
        bind = f"    bind 127.0.0.1:{site.port}\n"
        start = proxies.haproxy(site.folder, site.port, lines[1].replace(bind, f"{bind}{lines[0]}\n") + "\n")
    elif proxy == "nginx":
        start = proxies.nginx(site.folder, site.port, "\n".join(lines))
    else:
        start = proxies.apache(site.folder, site.port, "\n".join([MODULES, *lines]))
    with start:
        yield


KEEPS_THE_ANSWER = ["nginx-post-action.conf", "haproxy-lua.cfg", "apache-log.conf"]
HAS_ITS_OWN = {"nginx-error-page.conf": "Go away.\n", "apache-error-document.conf": "ok\n"}


@pytest.mark.parametrize("name", [*KEEPS_THE_ANSWER, *HAS_ITS_OWN])
def test_each_failed_login_behind_a_proxy_is_one_infraction_of_its_client_and_nothing_else_is(
    site: Site, app_port: int, name: str
) -> None:
    (site.folder / "refused.html").write_text("Go away.\n")
    with running(site, app_port, name):
        site.succeed()
        told = site.fail()
        site.succeed()

        assert told == [(401, HAS_ITS_OWN.get(name, "this is no password\n"))] * 5
        site.has_stored(attacker=5)


@pytest.mark.parametrize("name", [*KEEPS_THE_ANSWER, *HAS_ITS_OWN])
def test_while_the_shim_hangs_or_is_gone_clients_get_the_status_that_they_got_before(
    site: Site, app_port: int, name: str
) -> None:
    (site.folder / "refused.html").write_text("Go away.\n")
    assert site.fleet.shim
    with running(site, app_port, name):
        site.fleet.shim.send_signal(signal.SIGSTOP)
        assert site.fail(1)[0][0] == 401
        site.succeed()

        site.fleet.kill()
        assert [status for status, _ in site.fail(3)] == [401] * 3
        site.succeed()


@pytest.mark.parametrize("name", ["nginx-post-action.conf", "haproxy-lua.cfg"])
def test_a_refused_delete_is_an_infraction_too(site: Site, app_port: int, name: str) -> None:
    with running(site, app_port, name):
        assert site.ask("/members/1", None, of=ATTACKER, method="DELETE")[0] == 401
        site.has_stored(attacker=1)


def test_nginx_reports_what_it_refuses_itself_and_its_log_has_the_status_that_the_client_got(
    site: Site, app_port: int
) -> None:
    with running(site, app_port, "nginx-post-action.conf"):
        site.succeed()
        site.fail(1)
        searches = [site.ask("/search", None, of=ATTACKER)[0] for _ in range(5)]
        assert sorted(searches) == [200, 200, 200, 429, 429]
        assert site.ask("/members", None, of=ATTACKER)[0] == 401  # of auth_request
        site.has_stored(attacker=4)

    lines = [line.split('"')[1:3] for line in (site.folder / "access.log").read_text().splitlines()]
    logged = Counter((request.split()[1], sizes.split()[0]) for request, sizes in lines)
    assert logged == {
        ("/", "200"): 3,
        ("/login", "200"): 3,
        ("/login", "401"): 1,
        ("/search", "200"): 3,
        ("/search", "429"): 2,
        ("/members", "401"): 1,
    }


@pytest.mark.parametrize(("name", "status"), [("nginx-mirror.conf", 200), ("haproxy-limit.cfg", 429)])
def test_each_request_to_a_trap_is_an_infraction_by_whatever_method(
    site: Site, app_port: int, name: str, status: int
) -> None:
    with running(site, app_port, name):
        site.succeed()
        answers = [
            site.ask("/wp-login.php", FORM % b"right", of=ATTACKER),
            site.ask("/.env", None, of=ATTACKER),
            site.ask("/.git/config", None, of=ATTACKER, method="DELETE"),
        ]
        assert [answer[0] for answer in answers] == [status] * 3
        site.has_stored(attacker=3)


def test_what_haproxy_refuses_for_its_number_is_an_infraction_each(site: Site, app_port: int) -> None:
    with running(site, app_port, "haproxy-limit.cfg"):
        site.succeed()
        answers = [site.ask("/", None, of=ATTACKER) for _ in range(103)]
        assert answers == [(200, "welcome\n")] * 100 + [(429, "Too many requests")] * 3
        site.has_stored(attacker=3)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("nginx-post-action.conf", "nginx-real-ip.conf"),
        ("haproxy-lua.cfg", "haproxy-real-ip.cfg"),
        ("apache-log.conf", "apache-real-ip.conf"),
        ("apache-error-document.conf", "apache-real-ip.conf"),
    ],
)
def test_behind_a_load_balancer_its_client_is_reported_and_not_whom_the_client_makes_up(
    site: Site, app_port: int, name: str, lines: str
) -> None:
    passed_on = BROWSER | {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    with running(site, app_port, name, before=WRITTEN[lines]):
        site.fail(3, headers=passed_on)
        site.has_stored(client=3)


def test_varnish_reports_each_failed_login_and_keeps_the_status(site: Site, app_port: int) -> None:
    rest = site.filled_in(WRITTEN["f2b.vcl"], app_port).removeprefix("vcl 4.1;\n")
    with proxies.varnish(site.folder, site.port, rest):
        site.succeed()
        assert site.fail() == [(401, "Unauthorized")] * 5
        site.succeed()
        site.has_stored(attacker=5)


@pytest.mark.parametrize("way", OF_THE_OLD_SERVICE)
def test_a_configuration_of_the_old_service_goes_on_to_count_what_browsers_post(
    fleet: Fleet, tmp_path: Path, app_port: int, way: str
) -> None:
    fleet.start_shim("--expose-state")
    site = Site(free_port(), tmp_path, fleet)
    server = f"server {{ listen 80; {OF_THE_OLD_SERVICE[way] % OLD} }}"
    with proxies.nginx(tmp_path, site.port, site.filled_in(server, app_port)):
        statuses = [status for status, _ in site.fail(headers=OWN_PAGE)]
        assert statuses == [200 if way == "error_page" else 401] * 5
        site.has_stored(attacker=5)


def test_standalone_mode_counts_what_browsers_post_too(
    start: Callable[..., subprocess.Popen[bytes]], fleet: Fleet, tmp_path: Path, app_port: int
) -> None:
    start(enforcing=False)
    site = Site(free_port(), tmp_path, fleet)
    server = f"server {{ listen 80; {OF_THE_OLD_SERVICE['mirror'] % OLD} }}"
    with proxies.nginx(tmp_path, site.port, site.filled_in(server, app_port)):
        site.fail(headers=OWN_PAGE)
        stored = "f2b_shim_stored_total 5.0\n"
        eventually(lambda: stored in fleet.get("/metrics")[1], "all is stored", 10)


UPLOAD = b"password=wrong" + b"a" * 8_000_000
FOR_UPLOADS = "client_max_body_size 10m;"


@pytest.mark.parametrize("way", ["mirror", "error_page"])
def test_an_upload_that_is_passed_on_with_its_body_is_one_infraction(
    fleet: Fleet, tmp_path: Path, app_port: int, way: str
) -> None:
    fleet.start_shim("--expose-state")
    site = Site(free_port(), tmp_path, fleet)
    server = f"{FOR_UPLOADS} server {{ listen 80; {OF_THE_OLD_SERVICE[way] % OLD} }}"
    with (
        proxies.nginx(tmp_path, site.port, site.filled_in(server, app_port)),
        ThreadPoolExecutor(4) as clients,
    ):
        uploads = [clients.submit(site.ask, "/login", UPLOAD, of=ATTACKER, headers=OWN_PAGE) for _ in range(8)]
        assert {each.result()[0] for each in uploads} == {200 if way == "error_page" else 401}
        site.has_stored(attacker=8)


def test_an_upload_whose_body_stays_with_nginx_is_one_infraction(site: Site, app_port: int) -> None:
    # With post_action, nginx cannot pass a body on that it has put into a file: "pread() failed".
    with running(site, app_port, "nginx-post-action.conf", before=FOR_UPLOADS):
        assert site.ask("/login", UPLOAD, of=ATTACKER)[0] == 401
        site.succeed()
        site.has_stored(attacker=1)


def test_a_proxy_that_passes_a_neighbours_headers_on_is_refused_and_the_log_names_the_remedy(
    fleet: Fleet, tmp_path: Path, app_port: int
) -> None:
    log = tmp_path / "shim.log"
    fleet.start_shim("--expose-state", log=log)
    site = Site(free_port(), tmp_path, fleet)
    server = f"server {{ listen 80; {OF_THE_OLD_SERVICE['mirror'] % OLD} }}"
    with proxies.nginx(tmp_path, site.port, site.filled_in(server, app_port)):
        site.fail(2)
        eventually(lambda: len(logged(log, "report_refused")) == 2, "the log says it", 10)
    line = logged(log, "report_refused")[-1]
    assert (line["kind"], line["method"], line["peer"]) == ("cross_site", "POST", "127.0.0.1")
    assert "Origin" in line["remedy"]
    assert site.stored() == {}
