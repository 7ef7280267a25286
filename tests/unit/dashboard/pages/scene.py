"""A fleet to look at: a real state file, which the pages ask as they ask any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.acts import open_acts
from f2b_worker.adapters.sqlite.fleet import SqliteFleet
from f2b_worker.adapters.sqlite.inbox import SqliteInbox
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.dashboard.asked import Asked, Visitor
from f2b_worker.dashboard.pages import PAGES
from f2b_worker.dashboard.rendering import Renderer
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.infractions import noted_id
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.ports import DeadLetter, WorkerSign
from f2b_worker.query.sources import Sources
from tests.unit.dashboard.dom import Node, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from f2b_worker.dashboard.asked import Page
    from f2b_worker.query.following import Snapshot

READER = Visitor(can_log_in=True)
OPERATOR = Visitor("anna", may_act=True, can_log_in=True)

JAILS = """\
[defaults]
maxretry = 3
bantime = "1h"
ignoreip = ["192.0.2.0/24"]

[jails.login]
[jails.scan]
ignoreip = ["198.51.100.9"]
"""
BANNED = "203.0.113.7"
"""Has a story: two bans, a lift, and notes."""

BANS = 120
LENGTH_MS = 3_600_000


@dataclass
class Fleet:
    """A state file, and what a worker and an operator do to it."""

    settings: OperatorSettings
    state: StateFile
    now_ms: int

    def ban(
        self,
        whom: Iterable[OffenderId],
        *,
        note: str = "",
        start_ms: int | None = None,
        evidence: tuple[Hit, ...] = (),
    ) -> None:
        """Ban some, each for *evidence*, or three infractions with a note."""
        start = self.now_ms - 60_000 if start_ms is None else start_ms
        ledger = SqliteLedger(self.state, SystemClock(), kept_ms=30 * DAY_MS)
        decisions = {}
        for number, who in enumerate(whom):
            hits = tuple(Hit(start - 1000 * back, noted_id(f"{number}-{back}@web-1", note)) for back in (2, 1, 0))
            seen = ledger.record({who: ()})[who]
            assert isinstance(seen, Offender)
            count = seen.ban.count + 1 if seen.ban else 1
            ban = Ban(start - number, start - number + LENGTH_MS, count, LENGTH_MS, evidence=evidence or hits)
            decisions[who] = Decision(seen, ban)
        for answer in ledger.commit(decisions).values():
            assert isinstance(answer, Offender), answer

    def watch(self, who: OffenderId, hits: Iterable[Hit]) -> None:
        """Remember infractions that no ban has used."""
        ledger = SqliteLedger(self.state, SystemClock(), kept_ms=30 * DAY_MS)
        assert isinstance(ledger.record({who: tuple(hits)})[who], Offender)

    def act(self, act: Act, *, lift: Iterable[OffenderId] = (), allow: Iterable[AllowEntry] = ()) -> None:
        """Do what an operator does."""
        acts = open_acts(self.state.path)
        if act.verb == Verb.UNBAN:
            acts.lift(act, lift)
        elif act.verb == Verb.ALLOW:
            acts.allow(act, list(allow))
        elif act.verb == Verb.PAUSE:
            acts.pause(act, act.what[0], None)
        else:
            acts.note(act)
        acts.close()

    def bury(self, body: str, reason: str, detail: str) -> None:
        """Refuse a message."""
        inbox = SqliteInbox(self.state, SystemClock())
        assert inbox.bury([DeadLetter(body, {reason: 1}, detail, "1")]) == [None]

    def sign(self, name: str, remark: str = "") -> None:
        """Say that a worker lives."""
        fleet = SqliteFleet(self.state.reader(), self.state.safe_writer)
        fleet.sign(WorkerSign(name, self.now_ms, self.now_ms, "0.2.0", remark, 0))

    def sources(self) -> Sources:
        return Sources(self.settings, read_jails(self.settings.config))


def new_fleet(folder: Path) -> Fleet:
    """Make an empty one."""
    config = folder / "f2b.toml"
    config.write_text(JAILS)
    state = folder / "f2b.sqlite3"
    return Fleet(OperatorSettings(state=str(state), config=config), StateFile(state), SystemClock().now_ms())


def busy_fleet(folder: Path) -> Fleet:
    """Make one with something on each page."""
    fleet = new_fleet(folder)
    day_ago = fleet.now_ms - DAY_MS
    who = OffenderId("login", f"{BANNED}/32")
    fleet.ban([OffenderId("scan", f"203.0.113.{number}/32") for number in range(10, 10 + BANS)], note="GET /.env")
    fleet.ban([who], note="user root", start_ms=day_ago)
    fleet.act(Act("lift", day_ago + 60_000, "ben@laptop", Verb.UNBAN, (who.key,), "", "a customer"), lift=[who])
    fleet.ban([who], note="POST /wp-login.php")
    fleet.watch(OffenderId("scan", who.key), [Hit(fleet.now_ms - 1000, noted_id("x-1@web-2", "GET /admin"))])
    fleet.ban([OffenderId("scan", "2001:db8:1:2::/64")], note="HEAD /")
    entry = AllowEntry("198.51.100.7/32", None, "the office", "ben@laptop", fleet.now_ms)
    fleet.act(Act("allow", fleet.now_ms, "ben@laptop", Verb.ALLOW, (entry.network,)), allow=[entry])
    fleet.bury('{"v": 1}', "empty", "no infraction is in it")
    fleet.sign("web-1/1/a")
    return fleet


class Looking:
    """Somebody who looks at pages.

    Args:
        sources: What they ask.
        visitor: Who it is.
    """

    def __init__(self, sources: Sources, visitor: Visitor = READER) -> None:
        self.sources = sources
        self.visitor = visitor
        self.renderer = Renderer()

    def asked(self, url: str) -> Asked:
        parts = urlsplit(url)
        return Asked(unquote(parts.path), dict(parse_qsl(parts.query)), self.visitor, url=url)

    def page(self, url: str) -> Page:
        asked = self.asked(url)
        return PAGES[asked.segment](asked, self.sources)

    def html(self, url: str) -> bytes:
        return self.renderer.whole(self.page(url), self.asked(url))

    def whole(self, url: str) -> Node:
        return parsed(self.html(url))

    def main(self, url: str) -> Node:
        return parsed(self.renderer.main(self.page(url), self.asked(url)))


class OtherSnapshot(Sources):
    """Pages that ask a fleet of which something else is known."""

    def __init__(self, sources: Sources, **changes: Any) -> None:
        self.__dict__.update(sources.__dict__)
        self._changes = changes

    def snapshot(self) -> Snapshot:
        found = super().snapshot()
        changes = dict(self._changes)
        status = replace(found.status, **changes.pop("status", {}))
        return replace(found, status=status, **changes)


URLS = (
    "/",
    "/?since=1h",
    "/bans",
    "/bans?q=203.0.113.0%2F24&sort=ip&page=2",
    "/bans?note=env",
    f"/address/{BANNED}",
    "/address/198.51.100.77",
    "/top",
    "/top?by=country",
    "/top?by=hour",
    "/enforcer",
    "/queue",
    "/allowlist",
    "/audit",
    "/address/nonsense",
)
"""Each page at least once."""
