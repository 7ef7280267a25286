"""What a worker has to log, whoever stored it, and what it hears that others logged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.dynamodb import publishing
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.packing import unpack
from f2b_worker.adapters.dynamodb.ban_log.snapshot import Part, Snapshot
from f2b_worker.adapters.dynamodb.ban_log.writer import PAUSES_S, READ_S
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Throttled, Unavailable
from f2b_worker.testing import FakeClock
from tests.canned_dynamodb import TABLE, Caller, CannedTable, Fate

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = "e1"
WHO, OTHER = (OffenderId("login", f"203.0.113.{number}/32") for number in (7, 8))
LENGTH_MS = 600_000


class Worker:
    """One worker's ledger; it is told how its calls fare."""

    def __init__(self, table: CannedTable, clock: FakeClock) -> None:
        self.caller = Caller(table)
        self.ledger = DynamoLedger(self.caller.client, TABLE, clock, kept_ms=10 * LENGTH_MS, io_threads=1)
        self._clock = clock

    def ban(self, who: OffenderId = WHO) -> Offender:
        """Store a ban, and tell nobody."""
        now_ms = self._clock.now_ms()
        hit = Hit(now_ms, "a")
        seen = self.ledger.record({who: [hit]})[who]
        assert isinstance(seen, Offender)
        ban = Ban(now_ms, now_ms + LENGTH_MS, 1 + (seen.ban.count if seen.ban else 0), LENGTH_MS, evidence=(hit,))
        answer = self.ledger.commit({who: Decision(seen, ban)})[who]
        assert isinstance(answer, Offender)
        return answer

    def extend(self, seen: Offender, who: OffenderId = WHO) -> Offender:
        assert seen.ban
        longer = replace(seen.ban, until_ms=seen.ban.until_ms + 60_000, extended=seen.ban.extended + 1)
        answer = self.ledger.commit({who: Decision(seen, longer)})[who]
        assert isinstance(answer, Offender)
        return answer


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.table = CannedTable()
        self.items = BanLogItems(Caller(self.table).client, TABLE, self.clock)
        self.items.begin(EPOCH)
        self.mine, self.theirs = (Worker(self.table, self.clock) for _ in range(2))

    @property
    def logged(self) -> list[dict[OffenderId, int]]:
        """Of each entry, whose bans it tells, up to which revision."""
        entries = self.items.read(EPOCH, range(1, self.items.top().number + 1))
        contents = [unpack(entries[place].content).changes for place in sorted(entries)]
        return [{change.who: change.revision for change in changes} for changes in contents]


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    for each in (scene.mine, scene.theirs):
        each.ledger.close()


def test_a_ban_is_logged_once_however_often_it_is_published(scene: Scene) -> None:
    offender = scene.mine.ban()
    for _ in range(3):
        assert scene.mine.ledger.publish({WHO: offender}) == {}
    assert scene.logged == [{WHO: 1}]


def test_a_ban_that_a_dead_colleague_stored_is_logged_by_who_judges_it_again(scene: Scene) -> None:
    offender = scene.theirs.ban()
    assert scene.mine.ledger.publish({WHO: offender}) == {}
    assert scene.logged == [{WHO: 1}]


def test_a_ban_of_an_item_that_was_gone_is_logged_though_its_revision_begins_anew(scene: Scene) -> None:
    for each in (scene.mine, scene.theirs):
        each.ledger.news()
    follower = scene.theirs.ledger.follow()
    follower.poll()
    for _ in range(2):  # what a worker logged itself, and what it then heard
        offender = scene.mine.ban()
        assert offender.revision == 1
        assert scene.mine.ledger.publish({WHO: offender}) == {}
        assert [(each.who, each.ban) for each in follower.poll().bans] == [(WHO, replace_evidence(offender))]
        assert scene.theirs.ledger.news()[WHO].ban == replace_evidence(offender)
        scene.mine.ledger.news()
        scene.table.table.delete(f"ip#{WHO.key}", f"s#{WHO.jail}")
        scene.clock.advance(60)


def replace_evidence(offender: Offender) -> Ban:
    """Take the ban as the log has it."""
    assert offender.ban
    return replace(offender.ban, evidence=())


def test_a_log_that_was_begun_anew_is_told_again(scene: Scene) -> None:
    offender, other = scene.mine.ban(), scene.mine.ban(OTHER)
    scene.mine.ledger.publish({WHO: offender})
    scene.items.begin_anew("e2")
    scene.mine.ledger.publish({OTHER: other})  # which finds that out

    scene.mine.ledger.publish({WHO: offender, OTHER: other})

    entries = scene.items.read("e2", range(1, 5))
    told = [{each.who for each in unpack(entries[place].content).changes} for place in sorted(entries)]
    assert told == [{OTHER}, {WHO}]


def test_who_hears_news_anew_takes_nothing_for_logged_but_what_he_hears(scene: Scene) -> None:
    offender = scene.mine.ban()
    scene.mine.ledger.publish({WHO: offender})
    assert scene.mine.ledger.news() != {}
    assert scene.mine.ledger.publish({WHO: offender}) == {}
    nothing = Snapshot("e2", 0, (Part("e2", 0, 0, 0, 0, 0),), 0)
    pointer = scene.items.pointer()
    scene.items.begin_anew("e2")
    assert scene.items.replace_pointer(nothing, pointer)
    assert scene.mine.ledger.news() == {}

    scene.mine.ledger.publish({WHO: offender})

    assert list(scene.items.read("e2", [1])) == [1]


def test_what_the_log_told_needs_not_be_logged_again(scene: Scene) -> None:
    assert scene.mine.ledger.news() == {}
    offender = scene.theirs.ban()
    scene.theirs.ledger.publish({WHO: offender})
    assert scene.mine.ledger.news() == {WHO: Offender(ban=offender.ban, revision=1)}
    assert scene.mine.ledger.publish({WHO: offender}) == {}
    assert scene.logged == [{WHO: 1}]


def test_news_are_told_once_and_the_newest_change_of_each_only(scene: Scene) -> None:
    assert scene.mine.ledger.news() == {}
    first = scene.theirs.ban()
    scene.theirs.ledger.publish({WHO: first})
    longer = scene.theirs.extend(first)
    scene.theirs.ledger.publish({WHO: longer})
    assert scene.mine.ledger.news() == {WHO: Offender(ban=longer.ban, revision=2)}
    assert scene.mine.ledger.news() == {}


def test_news_that_could_not_be_read_are_told_by_the_next_call(scene: Scene) -> None:
    scene.mine.ledger.news()
    offender = scene.theirs.ban()
    scene.theirs.ledger.publish({WHO: offender})
    scene.mine.caller.fare([Fate.THROTTLED])
    with pytest.raises(Throttled):
        scene.mine.ledger.news()
    assert scene.mine.ledger.news() == {WHO: Offender(ban=offender.ban, revision=1)}


def test_what_the_table_holds_is_logged_and_not_what_was_judged_against(scene: Scene) -> None:
    old = scene.mine.ban()
    longer = scene.theirs.extend(old)
    scene.mine.ledger.record({WHO: [Hit(scene.clock.now_ms() + 1, "b")]})
    assert scene.mine.ledger.publish({WHO: old}) == {}
    assert scene.logged == [{WHO: longer.revision}]


def test_a_ban_that_ended_long_ago_is_not_logged_any_more(scene: Scene) -> None:
    offender = scene.mine.ban()
    scene.clock.advance((LENGTH_MS + KEPT_AFTER_END_MS) / 1000 + 1)
    assert scene.mine.ledger.publish({WHO: offender}) == {}
    assert scene.logged == []


def test_an_offender_who_is_not_banned_is_none_of_the_logs_business(scene: Scene) -> None:
    assert scene.mine.ledger.publish({WHO: Offender(frozenset({Hit(1, "a")}))}) == {}
    assert scene.logged == []


def test_what_was_read_long_ago_is_read_again_before_it_is_logged(scene: Scene) -> None:
    """Its successor may be forgotten by then: invariant 8 of the log."""
    old = scene.mine.ban()
    longer = scene.theirs.extend(old)
    scene.clock.advance(READ_S + 1)
    assert scene.mine.ledger.publish({WHO: old}) == {}
    assert scene.logged == [{WHO: longer.revision}]


def test_new_bans_are_logged_before_extensions(scene: Scene) -> None:
    longer = scene.mine.extend(scene.mine.ban(OTHER), OTHER)
    offender = scene.mine.ban()
    assert scene.mine.ledger.publish({OTHER: longer, WHO: offender}) == {}
    assert scene.logged == [{WHO: 1}, {OTHER: 2}]


def test_a_ban_that_its_own_batch_extended_is_a_new_one(scene: Scene) -> None:
    longer = scene.mine.extend(scene.mine.ban(OTHER), OTHER)
    now_ms = scene.clock.now_ms()
    ban = Ban(now_ms, now_ms + LENGTH_MS + 60_000, 1, LENGTH_MS, extended=1)
    offender = scene.mine.ledger.commit({WHO: Decision(Offender(), ban)})[WHO]
    assert isinstance(offender, Offender)
    assert scene.mine.ledger.publish({OTHER: longer, WHO: offender}) == {}
    assert scene.logged == [{WHO: 1}, {OTHER: 2}]


def test_a_log_that_does_not_answer_is_told_for_each_and_logged_by_the_next_try(scene: Scene) -> None:
    offenders = {who: scene.mine.ban(who) for who in (WHO, OTHER)}
    scene.mine.caller.fare([Fate.DONE, *[Fate.UNHEARD] * (1 + len(PAUSES_S))])
    errors = scene.mine.ledger.publish(offenders)
    assert scene.mine.caller.fates == []
    assert {who: type(error) for who, error in errors.items()} == dict.fromkeys(offenders, Unavailable)
    assert scene.mine.ledger.publish(offenders) == {}
    assert scene.logged == [{WHO: 1, OTHER: 1}]


def test_of_who_is_forgotten_it_is_told_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LOGGED_MAX", 1)
    offenders = {who: scene.mine.ban(who) for who in (WHO, OTHER)}
    for _ in range(2):
        assert scene.mine.ledger.publish(offenders) == {}
    assert scene.logged == [{WHO: 1, OTHER: 1}, {WHO: 1}]
