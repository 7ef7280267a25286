"""The worker of standalone mode: the same judge and the same enforcers, over one file."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.acts import SqliteActs
from f2b_worker.adapters.sqlite.fleet import SqliteFleet
from f2b_worker.adapters.sqlite.inbox import SqliteInbox
from f2b_worker.adapters.sqlite.ledger import PURGED_AT_ONCE, SqliteLedger
from f2b_worker.adapters.sqlite.looking import depth_of_file
from f2b_worker.adapters.sqlite.orders import SqliteStandingOrders
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.adapters.sqlite.tally import SqliteTally
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.loading import load
from f2b_worker.config.settings import STATE_FILE
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.retention import kept_ms
from f2b_worker.errors import F2bError
from f2b_worker.http.listening import Door
from f2b_worker.intake.colleagues import follow_colleagues
from f2b_worker.process.assembly import assemble, count_infractions, hearing, open_rules
from f2b_worker.process.auditing import WORKER, Auditing
from f2b_worker.process.ban_tally import BanTally, name_of_jail
from f2b_worker.process.depth import show_depth
from f2b_worker.process.opening import chosen_blocklists, patiently
from f2b_worker.process.pardoning import Pardoning, pardon
from f2b_worker.process.priority import stand_back
from f2b_worker.process.regions import open_state_regions
from f2b_worker.process.signs import give_signs
from f2b_worker.process.standalone.child import HttpChild
from f2b_worker.process.standalone.file_watch import FileWatch
from f2b_worker.process.standalone.tallying import FileChanges, tally_bans
from f2b_worker.process.worker import run_parts
from f2b_worker.shim.serve import serving, tell_start

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.ports import Clock
    from f2b_worker.process.parts import Parts
    from f2b_worker.shim.serve import Serving

log: structlog.stdlib.BoundLogger = structlog.get_logger()

TIDY_EVERY_S = 60.0

NICE = 5
"""How far the judge stands back where there are too few cores: each request waits for the HTTP process, and nobody
for the judge. It still has a quarter of a core that both want; at 10, a tenth."""


def run_standalone(settings: WorkerSettings, config: Path | None) -> int:
    """Run until a signal stops it or a part dies; answer the exit code.

    Args:
        settings: The worker's settings.
        config: The jails file.

    Raises:
        StartError: If it cannot start as configured.
    """
    state = StateFile(settings.state_file or STATE_FILE)
    with closing(state), ExitStack() as at_the_end:
        return run_parts(lambda: _open(state, settings, config, at_the_end), settings, config)


def _open(state: StateFile, settings: WorkerSettings, config: Path | None, at_the_end: ExitStack) -> Parts:
    act_as("standalone")
    jails, clock = read_jails(config), SystemClock()
    inbox = SqliteInbox(state, clock, linger_s=settings.linger_s)
    _tell_of_dead_letters(inbox, state)
    ledger = SqliteLedger(state, clock, kept_ms=kept_ms(jails.policy, settings.max_age))
    blocklists = chosen_blocklists(jails, settings)
    regions = patiently(settings, lambda: open_state_regions(state, blocklists, clock), config)
    orders = SqliteStandingOrders(state.reader())
    rules = patiently(settings, lambda: open_rules(lambda: read_jails(config), orders, clock), config)
    acts = SqliteActs(state.reader(), state.safe_writer, kept_ms=settings.audit_days * DAY_MS)
    fleet = SqliteFleet(state.reader(), state.writer)
    tally = SqliteTally(state.reader(), state.writer)
    watch, waiting = FileWatch(state), state.reader()
    how = _serving(settings)
    http = _start_http(how, state, at_the_end)
    stand_back(NICE)  # of this thread and those it starts, not of the process that was started just now
    parts = assemble(
        settings,
        rules,
        blocklists=blocklists,
        inbox=inbox,
        ledger=ledger,
        regions=regions,
        interrupt=inbox.close,
        others={
            "http": lambda parts: http.run(
                parts.stop,
                parts.leaving,
                problem=lambda: parts.problem,
                overload=lambda: watch.refusal or inbox.overload(),
                on_news=inbox.announce,
            ),
            "file": watch.run,
            "colleagues": lambda parts: follow_colleagues(ledger, hearing(parts), clock, parts.stop),
            "pardons": lambda parts: pardon(
                ledger,
                Auditing(Pardoning(ledger.standing, ledger.orders, acts, clock, WORKER), acts, clock),
                clock,
                parts.stop,
            ),
            "tally": lambda parts: count_infractions(tally, parts, clock),
            "ban-tally": lambda parts: _count_bans(ledger, tally, parts, clock),
            "depth": lambda parts: show_depth(lambda: depth_of_file(waiting), clock, parts.stop),
            "signs": lambda parts: give_signs(fleet, clock, parts.stop, lambda: parts.said),
            "tidier": lambda parts: _tidy_now_and_then(state, ledger, parts.stop),
        },
    )
    return replace(parts, drain_s=how.drain_s)


def _serving(settings: WorkerSettings) -> Serving:
    own = {name: getattr(settings, name) for name in ("host", "port", "uds", "log_level")}
    return serving(load(ShimSettings, {"workers": 1, **own}, needs_queue=False, has_options=False))


def _start_http(how: Serving, state: StateFile, at_the_end: ExitStack) -> HttpChild:
    door = Door(how.host, how.port, how.uds)
    at_the_end.callback(door.remove)
    tell_start(how, door)
    return HttpChild(how, state.place, door)


def _count_bans(ledger: SqliteLedger, tally: SqliteTally, parts: Parts, clock: Clock) -> None:
    if parts.intake:
        bans = BanTally(tally, clock, lambda jail: name_of_jail(parts.rules.policy, jail))
        tally_bans(FileChanges(ledger, bans), bans, clock, parts.stop, parts.intake.ended)


def _tidy_now_and_then(state: StateFile, ledger: SqliteLedger, stop: Event) -> None:
    while not stop.is_set():
        removed = PURGED_AT_ONCE
        try:
            while removed >= PURGED_AT_ONCE and not stop.is_set():
                removed = ledger.purge()
            state.restart_log()
        except F2bError as error:  # tidiness only: the next time is soon enough
            log.warning("tidying_failed", reason=str(error))
        stop.wait(TIDY_EVERY_S)


def _tell_of_dead_letters(inbox: SqliteInbox, state: StateFile) -> None:
    number = inbox.dead_letters()
    if number:
        look = f'sqlite3 {state.path} "SELECT * FROM dead_letters"'  # noqa: S608 - for people to run
        log.warning("dead_letters", number=number, look=look)
