"""One worker process: opens what it needs, runs the intake and the enforcer, stops in order."""

from __future__ import annotations

import os
import signal
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import structlog
from prometheus_client import start_http_server

from f2b_worker.adapters.aws import dynamodb_client, sqs_client, wafv2_client
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb import DynamoLedger
from f2b_worker.adapters.dynamodb_lease import DynamoLease
from f2b_worker.adapters.provision import check_table
from f2b_worker.adapters.sqs import SqsInbox, dead_letter_url_of, queue_url_of, visibility_s_of
from f2b_worker.adapters.wafv2 import find_ip_sets, region_of
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.enforcer import Enforcer
from f2b_worker.errors import Missing, Permanent, Retryable, StartError
from f2b_worker.intake import Intake
from f2b_worker.jails_file import read_jails
from f2b_worker.receivers import Receivers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from f2b_worker.adapters.wafv2 import WafIpSet
    from f2b_worker.domain.jails import Policy
    from f2b_worker.settings import WorkerSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

T = TypeVar("T")

EXIT_STOPPED = 0
EXIT_PART_DIED = 4

STOP_WITHIN_S = 9.0
"""Container platforms kill ten seconds after SIGTERM."""

START_WITHIN_S = 30.0
"""How long a starting worker waits for an AWS that does not answer."""

_CHECK_EVERY_S = 1.0
_KEPT_MS = 60 * DAY_MS


@dataclass(slots=True)
class Parts:
    """The loops of one worker process, and the events that stop and wake them."""

    intake: Intake
    enforcer: Enforcer | None
    stop: threading.Event
    wake: threading.Event
    close: Callable[[], None] = lambda: None
    reload: threading.Event = field(default_factory=threading.Event)


def run_worker(settings: WorkerSettings, config: Path | None, *, number: int = 0) -> int:
    """Run one worker process until a signal stops it or a part dies; answer the exit code.

    Args:
        settings: The worker's settings.
        config: The jails file.
        number: Which of several processes this is.

    Raises:
        StartError: If it cannot start as configured.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what it asks for is about to be done
    parts = _open(settings, config)
    if settings.metrics_port:
        start_http_server(settings.metrics_port + number)
    _stop_on_signals(parts)
    died = threading.Event()
    threads = start(parts, died)
    log.info("working", queue=settings.queue, table=settings.table, ip_sets=list(settings.ip_set))
    _wait(parts, config)
    parts.wake.set()
    return end(threads, died)


def open_ban_book(settings: WorkerSettings) -> DynamoLedger:
    """Open the ledger to read its bans."""
    client = dynamodb_client(connections=2)
    _check(settings, lambda: check_table(client, settings.table))
    return DynamoLedger(client, settings.table, SystemClock(), kept_ms=_KEPT_MS, io_threads=1)


def _open(settings: WorkerSettings, config: Path | None) -> Parts:
    jails = read_jails(config)
    clock = SystemClock()
    stop, wake = threading.Event(), threading.Event()
    sqs = _check(settings, lambda: _open_inbox(settings))
    inbox = Receivers(sqs, threads=settings.receivers, poll_s=settings.poll_s)
    ledger = _check(settings, lambda: _open_ledger(settings, jails.policy, clock))
    ip_sets = _check(settings, lambda: _open_ip_sets(settings))
    intake = Intake(
        inbox,
        ledger,
        jails.policy,
        clock,
        max_age_ms=settings.max_age,
        poll_s=settings.poll_s,
        linger_s=settings.linger_s,
        extend_resolution_s=settings.extend_resolution_s,
        on_ban=wake.set,
    )
    enforcer = None
    if ip_sets:
        owner = f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"
        name = f"{settings.scope}/{','.join(sorted(each.name for each in ip_sets))}"
        lease = DynamoLease(dynamodb_client(connections=2), settings.table, name=name, owner=owner, clock=clock)
        enforcer = Enforcer(
            ledger, ip_sets, lease, allowed=jails.allowed, clock=clock, unban_lag_s=settings.unban_lag_s
        )
    return Parts(intake, enforcer, stop, wake, close=inbox.close)


def _check(settings: WorkerSettings, opening: Callable[[], T]) -> T:
    """Open a part; wait a little for AWS, and name what is missing together with the command that makes it."""
    clock, never = SystemClock(), threading.Event()
    ends_s = clock.monotonic_s() + START_WITHIN_S
    while True:
        try:
            return opening()
        except Retryable as error:
            if clock.monotonic_s() > ends_s:
                raise StartError(f"{error}; gave up after {START_WITHIN_S:.0f} s") from error
            log.warning("waiting_for_aws", reason=str(error))
            clock.wait(never, 1.0)
        except Missing as error:
            raise StartError(f"{error}; make it with: {_provision_command(settings)}") from error
        except Permanent as error:
            raise StartError(str(error)) from error


def _provision_command(settings: WorkerSettings) -> str:
    sets = "".join(f" --ip-set {name}" for name in settings.ip_set)
    queue = settings.queue.rstrip("/").rsplit("/", maxsplit=1)[-1]
    scope = "" if settings.scope == "REGIONAL" else f" --scope {settings.scope}"
    return f"f2b-worker provision --queue {queue} --table {settings.table}{sets}{scope}"


def _open_inbox(settings: WorkerSettings) -> SqsInbox:
    client = sqs_client(settings.queue, connections=settings.receivers + 2)
    queue_url = queue_url_of(client, settings.queue)
    return SqsInbox(
        client,
        queue_url=queue_url,
        dead_letter_url=dead_letter_url_of(client, queue_url),
        visibility_s=visibility_s_of(client, queue_url),
    )


def _open_ledger(settings: WorkerSettings, policy: Policy, clock: SystemClock) -> DynamoLedger:
    client = dynamodb_client(connections=16)
    check_table(client, settings.table)
    return DynamoLedger(client, settings.table, clock, kept_ms=kept_ms(policy, settings.max_age))


def kept_ms(policy: Policy, max_age_ms: int | None) -> int:
    """Work out how long offenders are remembered: longer than any jail counts or any infraction is late."""
    forgets = [jail.forget_ms for jail in (policy.defaults, *policy.jails.values())]
    if None in forgets or max_age_ms is None:
        return FOREVER_MS // 2
    return max(_KEPT_MS, 2 * max_age_ms, *(2 * forget for forget in forgets if forget))


def _open_ip_sets(settings: WorkerSettings) -> list[WafIpSet]:
    if not settings.ip_set:
        return []
    region = region_of(settings.scope)
    # Many workers may start at once, and WAF answers five Get or List requests a second.
    finder = wafv2_client(region, attempts=8)
    found = find_ip_sets(finder, settings.ip_set, settings.scope, writer=wafv2_client(region))
    families = [each.family for each in found]
    if len(set(families)) < len(families):
        names = ", ".join(each.name for each in found)
        raise StartError(f"IP sets {names}: this version keeps one set a family; name fewer")
    return found


def _stop_on_signals(parts: Parts) -> None:
    def stop(_signal: int, _frame: object) -> None:
        parts.stop.set()
        parts.wake.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    signal.signal(signal.SIGHUP, lambda _signal, _frame: parts.reload.set())


def start(parts: Parts, died: threading.Event) -> list[threading.Thread]:
    """Start each loop in its thread; one that dies sets *died* and stops the others."""

    def take_in() -> None:
        parts.intake.run(parts.stop)
        parts.close()

    loops: dict[str, Callable[[], None]] = {"intake": take_in}
    enforcer = parts.enforcer
    if enforcer:
        loops["enforcer"] = lambda: enforcer.run(parts.wake, parts.stop)

    def guarded(name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception:  # whatever kills a part must stop the process, and be seen
            log.exception("part_died", part=name)
            died.set()
            parts.stop.set()
            parts.wake.set()

    threads = [
        threading.Thread(target=guarded, args=(name, loop), name=name, daemon=True) for name, loop in loops.items()
    ]
    for thread in threads:
        thread.start()
    return threads


def _wait(parts: Parts, config: Path | None) -> None:
    """Wait for the stop, or for the death of the parent: nobody else would stop an orphan."""
    parent = os.getppid()
    while not parts.stop.wait(_CHECK_EVERY_S):
        if parts.reload.is_set():
            parts.reload.clear()
            reload_jails(parts, config)
        if os.getppid() != parent:
            log.warning("parent_died")
            parts.stop.set()


def reload_jails(parts: Parts, config: Path | None) -> None:
    """Read the jails file again; one that cannot be used leaves the old jails in force, and is named."""
    try:
        jails = read_jails(config)
    except StartError as error:
        log.error("jails_kept", reason=str(error))
        return
    parts.intake.use(jails.policy)
    if parts.enforcer:
        parts.enforcer.allow(jails.allowed)
    log.info("jails_reloaded", jails=sorted(jails.policy.jails))


def end(threads: list[threading.Thread], died: threading.Event) -> int:
    """Wait for the threads, but no longer than a platform does; answer the exit code."""
    clock = SystemClock()
    ends_s = clock.monotonic_s() + STOP_WITHIN_S
    for thread in threads:
        thread.join(max(0.0, ends_s - clock.monotonic_s()))
    code = EXIT_PART_DIED if died.is_set() else EXIT_STOPPED
    late = [thread.name for thread in threads if thread.is_alive()]
    if late:
        # A call to AWS hangs. Nothing is lost: what it held becomes visible again. Waiting for the
        # executor's threads at interpreter exit would outlast the platform's patience.
        log.warning("stopped_late", parts=late)
        os._exit(code)
    log.info("stopped", code=code)
    return code
