"""A fleet on this machine: the real worker and shim as processes on the local AWS, and a look at its state.

What it reads, it reads from AWS itself, not through the worker's code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from botocore.config import Config

from demo.checker import Ban
from localstack import server_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from demo.own_policies import OwnPolicies
    from localstack.local_aws import LocalAws

NAME = "f2b"
BIN = Path(sys.executable).parent
STARTS_WITHIN_S = 30.0
STOPS_WITHIN_S = 12.0
free_port = server_process.free_port


class FleetError(Exception):
    """The fleet did not come to where it should within its time."""


class Fleet:
    """Workers and a shim in one account of a local AWS.

    Args:
        aws: A running local AWS.
        config: The jails file for the workers.
        account: The account to work in; by default the local AWS's own.
        policies: Give each part its own; without them, all parts may do everything.
    """

    def __init__(
        self, aws: LocalAws, config: Path, *, account: str | None = None, policies: OwnPolicies | None = None
    ) -> None:
        # A stop waits for the end of a receive; five seconds, the default, are long for somebody who watches.
        self.environment = aws.child_environment(account) | {"F2B_POLL_S": "1"}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.shim: subprocess.Popen[bytes] | None = None
        self.shim_url = ""
        self._aws = aws
        self._account = account
        self._config = config
        self.policies = policies
        self.sqs = aws.client("sqs", account=account)
        self.dynamodb = aws.client("dynamodb", account=account)
        # Who watches shares WAF's five reads a second with the workers, and is the one to wait.
        patient = Config(retries={"mode": "standard", "total_max_attempts": 10})
        self.waf = aws.client("wafv2", account=account, config=patient)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for client in (self.sqs, self.dynamodb, self.waf):
            client.close()

    def provision(self) -> None:
        """Make queue, table and IP sets with the real command, and the web ACL whose rule refers to the sets."""
        command = [str(BIN / "f2b"), "provision", "--queue", NAME, "--table", NAME, "--ip-set", NAME]
        environment = self.environment_of("provision")
        done = subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise FleetError(f"f2b provision ended with exit code {done.returncode}")
        sets = self.waf.list_ip_sets(Scope="REGIONAL")["IPSets"]
        visible = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": NAME}
        statements = [{"IPSetReferenceStatement": {"ARN": each["ARN"]}} for each in sets]
        rule = {
            "Name": NAME,
            "Priority": 0,
            "Action": {"Block": {}},
            "Statement": {"OrStatement": {"Statements": statements}},
            "VisibilityConfig": visible,
        }
        self.waf.create_web_acl(
            Name=NAME, Scope="REGIONAL", DefaultAction={"Allow": {}}, Rules=[rule], VisibilityConfig=visible
        )

    def start_worker(
        self, *options: str, log: Path | None = None, program: Sequence[str] = (str(BIN / "f2b-worker"),)
    ) -> subprocess.Popen[bytes]:
        """Start `f2b-worker`, in one process unless *options* say otherwise; its log goes to *log*, or nowhere."""
        command = [*program, "--queue", NAME, "--table", NAME, "--ip-set", NAME, "--processes", "1"]
        command += ["--config", str(self._config), *options]
        worker = self._start(command, log, role="worker")
        self.workers.append(worker)
        return worker

    def start_shim(
        self,
        *options: str,
        port: int = 0,
        log: Path | None = None,
        program: Sequence[str] = (str(BIN / "f2b-shim"),),
    ) -> None:
        """Start `f2b-shim` with further *options* on *port*, or on a free one, and wait until it answers."""
        port = port or free_port()
        self.shim_url = f"http://127.0.0.1:{port}"
        command = [*program, "--queue", NAME, "--host", "127.0.0.1", "--port", str(port)]
        command += options
        self.shim = self._start(command, log, role="shim")
        shim = self.shim
        eventually(lambda: self.get("/")[0] == 200 or shim.poll() is not None, "the shim answers", STARTS_WITHIN_S)
        if shim.poll() is not None:
            raise FleetError(f"the shim ended with exit code {shim.returncode}; is port {port} taken?")

    def operate(self, role: str, *command: str) -> str:
        """Run `f2b` with a role's policy; answer what it prints."""
        arguments = [str(BIN / "f2b"), *command, "--table", NAME, "--ip-set", NAME]
        environment = self.environment_of(role)
        done = subprocess.run(arguments, env=environment, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise FleetError(f"f2b {' '.join(command)} ended with exit code {done.returncode}")
        return done.stdout

    def environment_of(self, role: str) -> dict[str, str]:
        """The environment of a part; a session token that was set by hand stays."""
        token = {"AWS_SESSION_TOKEN": self.policies.token(role)} if self.policies else {}
        return token | self.environment

    def client_of(self, role: str, service: str) -> Any:
        """Make a client for a part that runs in this process; close it after use."""
        token = self.policies.token(role) if self.policies else None
        return self._aws.client(service, account=self._account, session_token=token)

    def _start(self, command: list[str], log: Path | None, *, role: str = "") -> subprocess.Popen[bytes]:
        with (log or Path("/dev/null")).open("ab") as sink:
            # A session of its own: Ctrl-C reaches the parent alone, which stops the parts in order.
            environment = self.environment_of(role) if role else self.environment
            return subprocess.Popen(command, env=environment, stderr=sink, start_new_session=True)

    def stop(self) -> None:
        """Stop the shim, then the workers, as a platform does: SIGTERM, and SIGKILL after its patience."""
        for process in [self.shim, *self.workers]:
            if process and process.poll() is None:
                process.terminate()
        for process in [self.shim, *self.workers]:
            if process:
                _reap(process)
        self.shim = None
        self.workers = []

    def kill(self) -> None:
        """End everything at once, with its children: for who has seen what he wanted to see."""
        for process in [self.shim, *self.workers]:
            if process and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @property
    def shim_port(self) -> int:
        """Where the shim listens, or whoever serves in its place."""
        return int(self.shim_url.rsplit(":", 1)[1])

    def get(self, path: str) -> tuple[int, str]:
        """Send a GET to the shim; answer status and text. Status 0: no answer."""
        return get(self.shim_url + path)

    @property
    def queue_url(self) -> str:
        """The URL of the main queue."""
        return self.queue_url_of(NAME)

    def queue_url_of(self, name: str) -> str:
        """Look a queue's URL up."""
        url: str = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return url

    def set_visibility_timeout(self, seconds: int) -> None:
        """Have what a dead worker held come again after so long, instead of a minute; before workers start."""
        self.sqs.set_queue_attributes(QueueUrl=self.queue_url, Attributes={"VisibilityTimeout": str(seconds)})

    def queued(self, name: str = NAME) -> int:
        """Count the messages that are in a queue, in flight or not."""
        url = self.queue_url_of(name)
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(
            int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible", "Delayed")
        )

    def dead_letters(self) -> list[dict[str, Any]]:
        """Take what is in the dead-letter queue."""
        letters: list[dict[str, Any]] = []
        url = self.queue_url_of(f"{NAME}-dead")
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1
            )
            if not answer.get("Messages"):
                return letters
            letters += answer["Messages"]

    def wait_until_judged(self, within_s: float = 60.0) -> None:
        """Wait until every message was judged and deleted, duplicates that are still due included."""

        def idle() -> bool:
            delivery = self._aws.edge.delivery()
            return self.queued() == 0 and delivery.duplicates_pending == 0 and delivery.held == 0

        eventually(idle, "the queue is empty", within_s)

    def bans(self) -> list[Ban]:
        """Read every ban in the ledger, oldest first."""
        return sorted(self._read_bans(), key=lambda ban: ban.start_ms)

    def _read_bans(self) -> Iterator[Ban]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=NAME, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"] if item["pk"]["S"].startswith("ip#")]
        last = {_place(item): item["ban"]["M"] for item in items if "ban" in item}
        yield from (_ban(*place, ban) for place, ban in last.items())
        for item in items:
            # A ban is put into the history before another one stands in its place: it may be in both.
            is_past = item["sk"]["S"].startswith("h#")
            if is_past and item["start_ms"] != last.get(_place(item), {}).get("start_ms"):
                yield _ban(*_place(item), item)

    def ip_set_entries(self) -> set[str]:
        """Read what both IP sets hold."""
        held: set[str] = set()
        for summary in self.waf.list_ip_sets(Scope="REGIONAL")["IPSets"]:
            answer = self.waf.get_ip_set(Name=summary["Name"], Id=summary["Id"], Scope="REGIONAL")
            held |= set(answer["IPSet"]["Addresses"])
        return held


def _place(item: dict[str, Any]) -> tuple[str, str]:
    """Name the jail and the address of an offender's item."""
    return item["sk"]["S"].split("#")[1], item["pk"]["S"].removeprefix("ip#").removesuffix("/32")


def _ban(jail: str, key: str, item: dict[str, Any]) -> Ban:
    names = ("start_ms", "until_ms", "count", "length_ms", "extended")
    return Ban(jail, key, *(int(item[name]["N"]) for name in names))


def _reap(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOPS_WITHIN_S)
        return
    process.kill()
    process.wait()


def eventually(condition: Callable[[], bool], what: str, within_s: float, every_s: float = 0.05) -> None:
    """Wait until *condition* holds.

    Raises:
        FleetError: Saying *what* did not come true within *within_s*.
    """
    ends_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends_s:
            raise FleetError(f"not within {within_s:.0f} s: {what}")
        time.sleep(every_s)


def get(url: str) -> tuple[int, str]:
    """Send a GET; answer status and text. Status 0: no answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""
