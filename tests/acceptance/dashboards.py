"""A browser's side of a dashboard, and a standalone worker that serves one: it needs no AWS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from demo.fleet import BIN, FleetError, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME_OF_ENFORCER = ("region", "owner", "enforces", "held_back_from", "updates_per_minute")
"""What stays of what is told of an enforcer, for longer than it takes to ask twice."""

TOKEN = "correct-horse-battery"
VARIABLE = {"F2B_DASHBOARD_TOKEN": f"ann:{TOKEN} bob:another-token-of-16"}
OURS = {"sec-fetch-site": "same-origin"}
CONFIG = "[jails.login]\nmaxretry = 2\n"


class Browser:
    """Asks a dashboard as a browser does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._http.get(path, headers={"accept": "text/html", **headers})

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, headers: dict[str, str] = OURS, /, **form: str) -> httpx.Response:
        return self._http.post(path, data=form, headers=headers)

    def log_in(self) -> None:
        answer = self.post("/login", token=TOKEN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")

    def is_up(self) -> bool:
        try:
            return self.get("/healthz").text == "ok\n"
        except httpx.TransportError:
            return False

    def banned(self) -> set[str]:
        return {each["ip"] for each in self.json("/bans.json")["bans"]}


class Standalone:
    """A standalone worker without IP sets, and its dashboard."""

    def __init__(self, folder: Path, *options: str, program: Sequence[str] = (str(BIN / "f2b-worker"),)) -> None:
        self.folder, self.port, self.http_port = folder, free_port(), free_port()
        self.log = folder / "log"
        config = folder / "f2b.toml"
        if not config.exists():
            config.write_text(CONFIG)
        command = [*program, "--standalone", "--state", str(folder / "f2b.db"), "--config", str(config)]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--http-port", str(self.http_port), *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("F2B_")} | VARIABLE
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(command, env=environment, stderr=sink, start_new_session=True)
        self.browser = Browser(self.http_port)
        try:
            eventually(lambda: self.browser.is_up() and self.takes_infractions(), "it serves", 60)
        except FleetError:
            self.end()
            raise

    def takes_infractions(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False).status_code == 200
        return False

    def ban(self, ip: str) -> None:
        for _ in range(2):
            url = f"http://127.0.0.1:{self.port}/infraction/{ip}?jail=login"
            assert httpx.get(url, trust_env=False).status_code == 200
        eventually(lambda: ip in self.browser.banned(), f"{ip} is banned on the page", 10)

    @property
    def companion(self) -> int:
        """The process that serves the dashboard."""
        (found,) = companions_of(self.process.pid)
        return found

    def end(self) -> None:
        self.browser.close()
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def companions_of(pid: int) -> list[int]:
    """Find the processes that serve the dashboard of a worker."""
    children = Path(f"/proc/{pid}/task")
    found = [int(each) for task in children.glob("*/children") for each in task.read_text().split()]
    return [each for each in found if b"f2b_worker.dashboard" in command_of(each)]


def command_of(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def with_patience(**names: float) -> list[str]:
    """Answer the command whose companions are looked after with other waits."""
    lines = "; ".join(f"companion.{name} = {value}" for name, value in names.items())
    script = f"from f2b_worker.process import companion; {lines}; from f2b_worker.cli import main; main()"
    return [sys.executable, "-c", script]
