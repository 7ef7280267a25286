"""A real worker process on the strict local AWS, with bulk writes into its ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

from benchmarks.enforcer.watch import LOOK_EVERY_S, Watch
from benchmarks.processes import BenchError, Canned
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.writer import BanLogWriter
from f2b_worker.adapters.dynamodb.items import ban_item, number, state_key
from f2b_worker.adapters.dynamodb.items import ttl as kept_until
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from localstack.local_aws import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from f2b_worker.adapters.dynamodb.items import Item
    from localstack.local_aws import LocalAws

NAME = "f2b"
JAIL = "login"
DAY_MS = 86_400_000
IN_ONE_BATCH = 25
WRITERS = 2
STOPS_WITHIN_S = 15.0
QUIET_S = 1.5
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
CONFIG = '[defaults]\nmaxretry = 1\nfindtime = "10m"\nbantime = "1d"\n'
WORKER = (sys.executable, "-m", "f2b_worker")
COMMAND = (sys.executable, "-m", "f2b_worker.cli")


class Scene:
    """One account with its queue, ledger and IP sets, and at most one worker process.

    Args:
        aws: A running local AWS.
        account: Twelve digits; everything in it is this scene's own.
        capacity: For how many addresses of each family there are IP sets.
        is_canned: Whether the ledger is on the canned DynamoDB instead of the emulator's.

    Attributes:
        ready_s: When the enforcer that was started last had read every set, on the monotonic clock.
    """

    def __init__(self, aws: LocalAws, account: str, *, capacity: int, is_canned: bool = False) -> None:
        self.aws = aws
        self.account = account
        self.environment = aws.child_environment(account) | {"F2B_POLL_S": "1"}
        self.watch = Watch(aws.edge, account)
        self.worker: subprocess.Popen[bytes] | None = None
        self._successor: subprocess.Popen[bytes] | None = None
        self.ready_s = 0.0
        self._log_read = 0
        self._clock = SystemClock()
        self._remembered: dict[OffenderId, Offender] = {}
        self._stored_s: dict[str, float] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="f2b-bench-")
        self._canned = Canned(Path(self._folder.name)) if is_canned else None
        self._config = Path(self._folder.name) / "f2b.toml"
        self._config.write_text(CONFIG)
        self.log = Path(self._folder.name) / "worker.log"
        patient = Config(max_pool_connections=16, retries={"mode": "standard", "total_max_attempts": 5})
        self.dynamodb = aws.client("dynamodb", account=account, config=patient)
        if self._canned:
            self.environment["AWS_ENDPOINT_URL_DYNAMODB"] = self._canned.url
            session = boto3.Session(account, "local", region_name=REGION)
            self.dynamodb = session.client("dynamodb", endpoint_url=self._canned.url, config=patient)
        self.sqs = aws.client("sqs", account=account)
        self.waf = aws.client("wafv2", account=account, config=patient)
        self._command("provision", "--queue", NAME, "--table", NAME, "--ip-set", NAME, "--capacity", str(capacity))
        self._queue_url = self.sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
        self.ledger = DynamoLedger(self.dynamodb, NAME, self._clock, kept_ms=60 * DAY_MS, io_threads=8)
        self._ban_log = BanLogWriter(BanLogItems(self.dynamodb, NAME, self._clock), self._clock)
        self.number_of_sets = len(self.waf.list_ip_sets(Scope="REGIONAL")["IPSets"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.ledger.close()
        for client in (self.dynamodb, self.sqs, self.waf):
            client.close()
        if self._canned:
            self._canned.__exit__()
        self._folder.cleanup()

    def _command(self, *arguments: str) -> None:
        done = subprocess.run(
            [*COMMAND, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchError(f"f2b {arguments[0]} failed: {done.stderr.strip()}")

    def start(self, *options: str, ip_set: bool = True) -> None:
        """Start a worker; it judges and, with *ip_set*, enforces."""
        self.worker = self._opened(*(("--ip-set", NAME) if ip_set else ()), *options)

    def _opened(self, *options: str) -> subprocess.Popen[bytes]:
        # Some cases ban more at once than the surge guard lets in; it is not what is measured.
        options = ("--config", str(self._config), "--processes", "1", "--max-new-bans-per-minute", "0", *options)
        with self.log.open("ab") as sink:
            return subprocess.Popen(
                [*WORKER, "--queue", NAME, "--table", NAME, *options],
                env=self.environment, stderr=sink, start_new_session=True,
            )  # fmt: skip

    def start_successor(self) -> None:
        """Start a second worker, which stands by."""
        self._successor = self._opened("--ip-set", NAME)

    def kill_right_after_a_sign_of_life(self, within_s: float = 30.0) -> float:
        """Kill the worker when it has just renewed its lease; tell when it did, in epoch seconds.

        The successor is the worker from then on.
        """
        key: Any = {"pk": {"S": f"lease#enforcer/{REGION}"}, "sk": {"S": "lease"}}
        seen = before = self.dynamodb.get_item(TableName=NAME, Key=key, ConsistentRead=True).get("Item")
        ends_s = time.monotonic() + within_s
        while seen == before:
            if time.monotonic() > ends_s:
                raise BenchError("the worker does not renew its lease")
            time.sleep(LOOK_EVERY_S)
            seen = self.dynamodb.get_item(TableName=NAME, Key=key, ConsistentRead=True).get("Item")
        renewed_s = time.time()
        self.process.kill()
        self.process.wait()
        self.worker, self._successor = self._successor, None
        return renewed_s

    def start_enforcing(self, *options: str) -> None:
        """Start a worker, and wait until it has read every IP set."""
        before, self._log_read = self.calls("GetIPSet"), self._log_bytes()
        self.start(*options)
        self._wait_until_read(before)

    def start_alone(self) -> None:
        """Start the enforcer alone, whose bans come from memory, and wait until it has read every IP set."""
        before, self._log_read = self.calls("GetIPSet"), self._log_bytes()
        self.worker = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.enforcer.alone"],
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log.open("ab"), start_new_session=True,
        )  # fmt: skip
        self._wait_until_read(before)

    def _log_bytes(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def store_alone(self, first: int, number: int, *, for_s: float = DAY_MS / 1000) -> float:
        """Give the enforcer that is alone so many bans; tell when it had them, in epoch seconds."""
        asked, answered = self.process.stdin, self.process.stdout
        if asked is None or answered is None:
            raise BenchError("this worker takes no bans from memory")
        asked.write(json.dumps({"first": first, "number": number, "for_s": for_s}).encode() + b"\n")
        asked.flush()
        return float(json.loads(answered.readline())["stored_s"])

    def _wait_until_read(self, before: int, within_s: float = 120.0) -> None:
        """Wait until a new worker enforces, has asked for every set, and asks for none any more."""
        ends_s = time.monotonic() + within_s
        gets, quiet_from_s = before, time.monotonic()
        while True:
            now_s, asked = time.monotonic(), self.calls("GetIPSet")
            enforces = b'"enforcing"' in self.log.read_bytes()[self._log_read :]
            if asked != gets or not enforces or asked < before + self.number_of_sets:
                gets, quiet_from_s = asked, now_s
            if now_s - quiet_from_s > QUIET_S:
                self.ready_s = quiet_from_s
                return
            if now_s > ends_s or self.process.poll() is not None:
                raise BenchError(f"the worker does not enforce; its log ends: {self.log.read_text()[-2000:]}")
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        """Stop each worker as a platform does."""
        workers = [each for each in (self._successor, self.worker) if each]
        self.worker = self._successor = None
        for worker in workers:
            worker.terminate()
            try:
                worker.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running worker."""
        if self.worker is None:
            raise BenchError("no worker runs")
        return self.worker

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Let the worker do nothing meanwhile, so that it meets everything that was stored all at once."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def ban(self, keys: Sequence[str], *, until_ms: int | None = None) -> None:
        """Store bans and log them as another worker would: through the ledger's adapter."""
        stored_ms = now_ms()
        decisions = self._decisions(keys, Ban(stored_ms, until_ms or stored_ms + DAY_MS, 1, DAY_MS))
        answers = self.ledger.commit(decisions)
        stored = {who: each for who, each in answers.items() if isinstance(each, Offender)}
        failed = [each for each in answers.values() if not isinstance(each, Offender)]
        failed += self.ledger.publish(stored).values()
        if failed:
            raise BenchError(f"{len(failed)} bans could not be stored: {failed[0]}")
        self._remembered |= stored
        self._stored_s |= dict.fromkeys(keys, stored_ms / 1000)

    def _decisions(self, keys: Sequence[str], ban: Ban) -> dict[OffenderId, Decision]:
        offenders = [OffenderId(JAIL, key) for key in keys]
        return {who: Decision(self._remembered.get(who, Offender()), ban) for who in offenders}

    def ban_in_bulk(self, keys: Sequence[str], *, until_ms: int | None = None, age_ms: int = 0) -> None:
        """Store bans without history, 25 at a time, and log them: thousands of updates take the emulator minutes.

        Args:
            keys: Whom to ban.
            until_ms: The end; a day from now by default.
            age_ms: How long ago they began.
        """
        began_ms = now_ms() - age_ms
        decisions = self._decisions(keys, Ban(began_ms, until_ms or began_ms + DAY_MS, 1, DAY_MS))
        after = {who: decision.applied(decision.seen) for who, decision in decisions.items()}
        items = [_state_item(who, each) for who, each in after.items()]

        def store(some: Sequence[Item]) -> None:
            puts: Any = [{"PutRequest": {"Item": item}} for item in some]
            self.dynamodb.batch_write_item(RequestItems={NAME: puts})

        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(store, batches(items, IN_ONE_BATCH)))
        self._remembered |= after
        changes = [Change(who, each.ban, each.revision) for who, each in after.items() if each.ban]
        if not self._ban_log.append(changes, read_s=self._clock.monotonic_s()):
            raise BenchError("these bans took too long to be logged")

    def attack(self, key: str) -> None:
        """Send the one infraction that it takes: this worker itself judges and bans."""
        body = json.dumps({"ip": key.removesuffix("/32"), "jail": JAIL})
        self.sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)

    def stored_s(self, key: str) -> float:
        """Tell when a ban was stored, in epoch seconds: when it was begun here, or when the worker said so."""
        if key in self._stored_s:
            return self._stored_s[key]
        said = map(json.loads, reversed(self.log.read_text().splitlines()))
        line = next(line for line in said if line["event"] == "banned" and line["key"] == key)
        return datetime.fromisoformat(line["timestamp"]).timestamp()

    def calls(self, action: str) -> int:
        """Count the calls of WAF so far, the refused ones included."""
        return self.aws.edge.calls().get(f"wafv2:{action}", 0)

    def read_units(self) -> float:
        """Count the read units that the canned ledger was asked for so far."""
        if self._canned is None:
            raise BenchError("only the canned ledger counts read units")
        return float(self._canned.counters()["read_units"])

    def throttled(self) -> int:
        """Count the calls of WAF that were refused."""
        return sum(number for name, number in self.aws.edge.refused().items() if name.startswith("wafv2:"))

    def cpu_s(self) -> float:
        """Tell how much CPU the worker process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    def resident_mb(self) -> float:
        """Tell how much memory the worker process takes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Counts:
    """What WAF was asked since this was made."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._before = self._now()

    def _now(self) -> dict[str, int]:
        scene = self._scene
        counts = {"updates": scene.calls("UpdateIPSet"), "gets": scene.calls("GetIPSet")}
        return counts | {"throttled": scene.throttled()}

    def since(self) -> dict[str, float]:
        """Tell how many updates, gets and refusals came."""
        return {name: number - self._before[name] for name, number in self._now().items()}


def addresses(start: int, number: int) -> list[str]:
    """Make up distinct addresses."""
    return [f"20.{n // 65_536}.{n // 256 % 256}.{n % 256}/32" for n in range(start, start + number)]


def _state_item(who: OffenderId, after: Offender) -> Item:
    ban = after.ban
    if ban is None:
        raise BenchError(f"{who.key} is not banned")
    counts = {"rev": number(after.revision), "v": number(after.revision)}
    return state_key(who) | {"ban": {"M": ban_item(ban)}, "ttl": kept_until(ban.until_ms + DAY_MS)} | counts


def now_ms() -> int:
    """Tell the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000
