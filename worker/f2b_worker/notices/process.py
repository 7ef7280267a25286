"""What the process of notices does: it tells while its worker runs, reads the jails file again when that does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import structlog

from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.notify import running
from f2b_worker.config.jails_file import read_jails
from f2b_worker.errors import F2bError, StartError
from f2b_worker.notices.opening import open_lease
from f2b_worker.notices.telling import TURN_S, Telling
from f2b_worker.observe import log as log_lines
from f2b_worker.observe.notices import as_line
from f2b_worker.process.accompanying import accompany, end_now, give_way
from f2b_worker.signals import ORDERS, outlive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

POLICY = "notices"
OPENED_AGAIN_S = 10.0
ENDS_WITHIN_S = 1.5
"""The worker kills who does not end within two seconds."""


class Given(NamedTuple):
    """What the worker hands over: its settings, its jails file, and by which name this process holds the lease."""

    settings: WorkerSettings
    config: Path | None
    owner: str


class Orders:
    """What the worker asks for.

    Attributes:
        stop: To stop.
        reload: To read the jails file again.
        heard: Something of it.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reload = threading.Event()
        self.heard = threading.Event()

    def ask_to_stop(self) -> None:
        """Take the order to stop."""
        self.stop.set()
        self.heard.set()

    def ask_to_reload(self) -> None:
        """Take the order to read the file again."""
        self.reload.set()
        self.heard.set()


def main() -> None:
    """Tell until the worker ends, or asks to stop; this process ends here."""
    worker = accompany()
    outlive(*ORDERS)  # the worker tells when to end; programs that are run here begin with none of them blocked
    given = Given(*worker.given)
    log_lines.configure(given.settings.log_level, part="notices")
    give_way()
    act_as(POLICY)
    clock, orders = SystemClock(), Orders()
    worker.follow(stop=orders.ask_to_stop, reload=orders.ask_to_reload, end=running.kill_all)
    telling = _opened(given, clock, orders, worker.beat)
    if telling:
        telling.count = _counting(worker.tell)
        _tell(telling, given, clock, orders, worker.beat)
        _end(telling)
    running.kill_all()
    end_now()


def _counting(tell: Callable[[bytes], None]) -> Callable[[str, str], None]:
    """Have the worker count; the couriers are in threads of their own, and one at a time may tell."""
    lock = threading.Lock()

    def count(target: str, outcome: str) -> None:
        with lock:
            tell(as_line(target, outcome))

    return count


def _opened(given: Given, clock: Clock, orders: Orders, beat: Callable[[], None]) -> Telling | None:
    """Open the ledger, again and again where that fails; None if the worker stops before."""
    again_s = float("-inf")
    while not orders.stop.is_set():
        beat()
        if clock.monotonic_s() >= again_s:
            again_s = clock.monotonic_s() + OPENED_AGAIN_S
            try:
                return _begun(given, clock)
            except F2bError as error:
                log.warning("notices_wait", target="all", reason=str(error))
        clock.wait(orders.stop, TURN_S)
    return None


def _begun(given: Given, clock: Clock) -> Telling:
    jails = read_jails(given.config)
    telling = Telling(given.settings, open_lease(given.settings, given.owner, clock), clock)
    telling.use(jails)
    log.info("notices_working", targets=[each.name for each in telling.targets])
    return telling


def _tell(telling: Telling, given: Given, clock: Clock, orders: Orders, beat: Callable[[], None]) -> None:
    while not orders.stop.is_set():
        beat()
        telling.turn()
        clock.wait(orders.heard, TURN_S)
        orders.heard.clear()
        if orders.reload.is_set():
            orders.reload.clear()
            _reload(telling, given)


def _reload(telling: Telling, given: Given) -> None:
    """Read the file again; one that cannot be used leaves the targets as they are, as it leaves the jails."""
    try:
        jails = read_jails(given.config)
    except StartError as error:
        log.error("notices_kept", reason=str(error))
        return
    telling.use(jails)
    log.info("notices_reloaded", targets=[each.name for each in telling.targets])


def _end(telling: Telling) -> None:
    """Give the lease back, but wait for no ledger that does not answer."""
    thread = threading.Thread(target=telling.end, daemon=True)
    thread.start()
    thread.join(ENDS_WITHIN_S)
