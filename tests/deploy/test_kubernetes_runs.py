"""The containers of deploy/kubernetes as processes on this machine: their very command lines, variables and files.

What differs from a cluster is what must: the AWS that is called, ports, and folders that are mounted elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from demo.fleet import BIN, NAME, Fleet, eventually, free_port, get
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.cli.f2b import main as f2b
from tests.deploy.manifests import TOKEN, Container, container, overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import boto3

    from localstack.local_aws import LocalAws

PRODUCTION = overlay("overlays/production")
SIDECAR = overlay("overlays/report-sidecar")
BY_HTTP, BY_LOG = "203.0.113.7", "198.51.100.9"
ENOUGH = 5
"""maxretry of the overlay's jails."""


class Kubelet:
    """Starts containers as processes, probes them and stops them, as the kubelet does."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self._aws = fleet.environment
        self._folder = folder
        self.moved = {"8000": str(free_port()), "9100": str(free_port())}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self, one: Container) -> tuple[list[str], dict[str, str]]:
        """Mount the container's folders below ours, and put our ports and our AWS into its variables."""
        places = {each["mountPath"]: self._folder / each["name"] for each in one.itself["volumeMounts"]}
        for place in places.values():
            place.mkdir(exist_ok=True)
        for mount, name, text in one.files:
            (places[mount] / name).write_text(text)
        moved = {mount: str(place) for mount, place in places.items() if mount != "/tmp"} | self.moved
        environment = {name: _replaced(value, moved) for name, value in one.environment.items()}
        del environment["AWS_REGION"]  # that of the local AWS is another one
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        without = {name: value for name, value in self._aws.items() if not name.startswith("F2B_")}
        return [_replaced(each, moved) for each in one.command], without | environment | {"PATH": path}

    def run(self, one: Container, pods: int) -> list[int]:
        """Run an init container to its end, in several Pods at once; answer the exit codes."""
        command, environment = self.prepare(one)
        return [each.wait() for each in [subprocess.Popen(command, env=environment) for _ in range(pods)]]

    def start(self, one: Container, **replaced: str) -> None:
        command, environment = self.prepare(one)
        with (self._folder / f"{one.itself['name']}.log").open("wb") as log:
            self.running[one.itself["name"]] = subprocess.Popen(
                command, env=environment | replaced, stdout=log, stderr=log, start_new_session=True
            )

    def probe(self, one: Container, kind: str) -> int:
        """Ask what a probe asks, and answer the status."""
        asked = one.itself[kind]["httpGet"]
        (number,) = [each["containerPort"] for each in one.itself["ports"] if each["name"] == asked["port"]]
        return get(f"http://127.0.0.1:{self.moved[str(number)]}{asked['path']}")[0]

    def stop(self, one: Container) -> int:
        """Send SIGTERM and answer the exit code, which has to come within the Pod's grace period."""
        hook = one.itself.get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})
        process = self.running.pop(one.itself["name"])
        process.terminate()
        return process.wait(one.pod["terminationGracePeriodSeconds"] - hook["sleep"]["seconds"])

    def kill(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def _replaced(text: str, by: dict[str, str]) -> str:
    for old, new in by.items():
        text = new if text == old else text.replace(f"{old}/", f"{new}/")
    return text


@pytest.fixture
def fleet(
    aws_in_process: LocalAws,
    account: str,
    quick_sessions: Callable[[], boto3.Session],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Fleet]:
    """Queue, table and IP sets as somebody made them who may: by a template, or by hand."""
    aws_in_process.edge.set_waf_rate(None)
    monkeypatch.setattr(provision_waf, "WRITE_EVERY_S", 0.0)
    made = CliRunner().invoke(f2b, ["provision", "--queue", NAME, "--table", NAME, "--ip-set", NAME])
    assert made.exit_code == 0, made.output
    aws_in_process.edge.set_waf_rate(1.0)
    with Fleet(aws_in_process, tmp_path / "none", account=account) as fleet:
        as_a_template_leaves_it(fleet)
        yield fleet


def as_a_template_leaves_it(fleet: Fleet) -> None:
    """Take the rows out of the table: neither CloudFormation nor Terraform writes any."""
    rows = fleet.dynamodb.scan(TableName=NAME)["Items"]
    assert rows, "f2b provision wrote none: has it changed?"
    for row in rows:
        fleet.dynamodb.delete_item(TableName=NAME, Key={name: row[name] for name in ("pk", "sk")})


@pytest.fixture
def kubelet(fleet: Fleet, tmp_path: Path) -> Iterator[Kubelet]:
    with ExitStack() as stack:
        kubelet = Kubelet(fleet, tmp_path)
        stack.callback(kubelet.kill)
        yield kubelet


def report_by_http(kubelet: Kubelet, address: str, token: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{kubelet.moved['8000']}/infraction/{address}")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        status: int = answer.status
        return status


def report_by_log(folder: Path) -> None:
    at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    with (folder / "logs" / "access.log").open("a") as log:
        log.write(f'{BY_LOG} - - [{at}] "POST /login HTTP/1.1" 401 0\n' * ENOUGH)


def test_the_containers_report_judge_and_ban_and_each_stops_in_order_within_its_grace_period(
    fleet: Fleet, kubelet: Kubelet, tmp_path: Path
) -> None:
    provision = container(PRODUCTION, "f2b-worker/provision")
    worker, shim = container(PRODUCTION, "f2b-worker/worker"), container(PRODUCTION, "f2b-shim/shim")
    sidecar = container(SIDECAR, "shop/report")
    assert kubelet.run(provision, pods=2) == [0, 0]
    kubelet.start(worker)
    kubelet.start(shim)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "access.log").touch()
    kubelet.start(sidecar, F2B_QUEUE=fleet.queue_url)
    probes = [
        (one, kind) for one in (worker, shim) for kind in ("startupProbe", "readinessProbe", "livenessProbe")
    ]
    eventually(lambda: {kubelet.probe(*each) for each in probes} == {200}, "every probe is content", 30)
    eventually(lambda: list((tmp_path / "reported").iterdir()) != [], "the sidecar follows the log", 30)

    for path in (f"/infraction/{BY_HTTP}", "/metrics"):
        assert get(f"http://127.0.0.1:{kubelet.moved['8000']}{path}")[0] == 401, "nobody is let in without a token"
    assert [report_by_http(kubelet, BY_HTTP, TOKEN) for _ in range(ENOUGH)] == [200] * ENOUGH
    report_by_log(tmp_path)

    eventually(lambda: {f"{BY_HTTP}/32", f"{BY_LOG}/32"} <= fleet.ip_set_entries(), "both are banned", 30, 0.25)
    assert [kubelet.stop(one) for one in (sidecar, shim, worker)] == [0, 0, 0]
    assert fleet.ip_set_entries() >= {f"{BY_HTTP}/32", f"{BY_LOG}/32"}, "a stopped worker lifts no ban"
