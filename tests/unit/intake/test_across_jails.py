"""What bans of one jail mean in another: they lengthen its bans, or feed it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import DAY_MS, SECOND_MS, Jail, Policy, Window
from f2b_worker.domain.judge.across_jails import counting_for, fed_by
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId, judge
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import Unavailable
from f2b_worker.offline.replay import ReplayedBan, judge_rows
from f2b_worker.testing import MemoryActs
from tests.unit.intake.scene import GOOD_IP, NOW_MS, NOW_S, Scene, body, who

KEY = f"{GOOD_IP}/32"
T = 1_700_000_000_000


def ban(start_ms: int = T, count: int = 1, *, observed: bool = False) -> Ban:
    return Ban(start_ms, start_ms + 600_000, count, 600_000, observed=observed)


def hits(at_ms: int, number: int = 2) -> list[Hit]:
    return [Hit(at_ms + place, f"{at_ms}.{place}") for place in range(number)]


LOGIN = Jail("login", windows=(Window(2, 60_000),), bantime_ms=600_000, increment=True, overalljails=True)


class TestOverAllJails:
    def test_the_next_ban_is_one_more_than_the_most_of_any_jail(self) -> None:
        elsewhere = (ban(count=3), ban(count=2))
        (found,) = judge(
            Offender(ban=ban(count=1)), hits(T + DAY_MS // 2), LOGIN, key=KEY, elsewhere=elsewhere
        ).changed
        assert (found.count, found.length_ms) == (4, 8 * 600_000)

    def test_a_ban_that_began_later_counts_for_nothing(self) -> None:
        (found,) = judge(Offender(), hits(T), LOGIN, key=KEY, elsewhere=(ban(T + 60_000, 3),)).changed
        assert found.count == 1

    def test_a_ban_that_is_forgotten_counts_for_nothing(self) -> None:
        late_ms = T + 600_000 + DAY_MS + 1
        (found,) = judge(Offender(), hits(late_ms), LOGIN, key=KEY, elsewhere=(ban(T, 3),)).changed
        assert found.count == 1

    def test_only_other_jails_count_as_others(self) -> None:
        me, other = OffenderId("login", KEY), OffenderId("scan", KEY)
        assert counting_for(me, LOGIN, [(me, ban(count=7)), (other, ban(count=2))]) == (ban(count=2),)

    def test_without_it_every_jail_counts_its_own(self) -> None:
        assert counting_for(OffenderId("a", KEY), Jail("a"), [(OffenderId("scan", KEY), ban())]) == ()

    def test_an_observed_ban_lengthens_none_that_is_enforced(self) -> None:
        standing = [(OffenderId("scan", KEY), ban(observed=True))]
        watching = Jail("login", overalljails=True, observed=True)
        assert counting_for(OffenderId("login", KEY), LOGIN, standing) == ()
        assert counting_for(OffenderId("login", KEY), watching, standing) == (ban(observed=True),)


def policy(**recidive: object) -> Policy:
    fed = Jail("recidive", windows=(Window(2, DAY_MS),), bantime_ms=7 * DAY_MS, recidive=True, **recidive)  # type: ignore[arg-type]
    quick = {"windows": (Window(2, 60_000),), "bantime_ms": 60_000}
    return Policy(jails={name: Jail(name, **quick) for name in ("login", "scan")} | {"recidive": fed})  # type: ignore[arg-type]


class TestFeeding:
    def test_each_ban_is_one_infraction_at_its_start(self) -> None:
        fed = fed_by(OffenderId("login", KEY), [ban(T), ban(T + DAY_MS)], policy())
        named = f"login {KEY}"
        assert fed == {OffenderId("recidive", KEY): [Hit(T, named), Hit(T + DAY_MS, named)]}

    def test_a_jail_that_is_fed_feeds_none(self) -> None:
        assert fed_by(OffenderId("recidive", KEY), [ban()], policy()) == {}

    def test_an_observed_ban_feeds_only_a_jail_that_observes(self) -> None:
        observed = [ban(observed=True)]
        assert fed_by(OffenderId("login", KEY), observed, policy()) == {}
        assert len(fed_by(OffenderId("login", KEY), observed, policy(observed=True))) == 1

    def test_whom_the_allowlist_has_is_not_fed(self) -> None:
        spared = replace(policy(), allowed=Networks(["203.0.113.0/24"]))
        assert fed_by(OffenderId("login", "203.0.113.7/32"), [ban()], spared) == {}
        assert fed_by(OffenderId("login", "198.51.100.7/32"), [ban()], spared) != {}

    def test_who_is_never_banned_there_is_not_fed(self) -> None:
        assert fed_by(OffenderId("login", KEY), [ban()], policy(ignore=Networks(["203.0.113.0/29"]))) == {}

    @pytest.mark.parametrize(
        ("key", "prefix", "over"),
        [
            ("203.0.113.7/32", 24, "203.0.113.0/24"),
            ("203.0.113.0/24", 32, "203.0.113.0/24"),
            ("203.0.113.7/32", 32, "203.0.113.7/32"),
        ],
    )
    def test_its_own_prefix_counts_unless_the_ban_was_of_more(self, key: str, prefix: int, over: str) -> None:
        assert set(fed_by(OffenderId("login", key), [ban()], policy(ipv4_prefix=prefix))) == {
            OffenderId("recidive", over)
        }


@pytest.fixture
def scene() -> Scene:
    found = Scene()
    found.worker.use(policy())
    return found


class TestWorker:
    def test_bans_of_two_jails_are_a_ban_of_the_jail_that_they_feed(self, scene: Scene) -> None:
        scene.work(body(GOOD_IP, 2, jail="login"))
        assert who(GOOD_IP, "recidive") not in scene.ledger.banned()
        scene.work(body(GOOD_IP, 2, jail="scan"))
        found = scene.ledger.banned()[who(GOOD_IP, "recidive")]
        (stored,) = scene.ledger.history(who(GOOD_IP, "recidive"))
        assert found.length_ms == 7 * DAY_MS
        assert [hit.id for hit in stored.evidence] == [f"login {KEY}", f"scan {KEY}"]

    def test_two_bans_of_one_message_feed_together(self, scene: Scene) -> None:
        later = [
            {"ip": GOOD_IP, "jail": "login", "at": NOW_S - 600 + at, "id": str(at)} for at in (0, 1, 300, 301)
        ]
        scene.work(json.dumps(later))
        assert who(GOOD_IP, "recidive") in scene.ledger.banned()

    def test_what_is_reported_to_the_fed_jail_in_the_same_message_counts_beside_it(self, scene: Scene) -> None:
        reports = [
            {"ip": GOOD_IP, "jail": "login", "at": NOW_S, "id": "a"},
            {"ip": GOOD_IP, "jail": "recidive", "at": NOW_S - 60, "id": "reported"},
            {"ip": GOOD_IP, "jail": "login", "at": NOW_S, "id": "b"},
        ]
        scene.work(json.dumps(reports))
        (stored,) = scene.ledger.history(who(GOOD_IP, "recidive"))
        assert [hit.id for hit in stored.evidence] == ["reported", f"login {KEY}"]

    def test_the_same_messages_again_feed_nothing_twice(self, scene: Scene) -> None:
        message = body(GOOD_IP, 2, jail="login")
        scene.work(message)
        scene.work(message)
        assert len(scene.ledger.hits(who(GOOD_IP, "recidive"))) == 1

    def test_a_worker_that_dies_between_a_ban_and_feeding_it_is_made_good_for(self, scene: Scene) -> None:
        messages = [body(GOOD_IP, 2, jail=jail) for jail in ("login", "scan")]
        scene.ledger.refused[who(GOOD_IP, "recidive")] = Unavailable("the ledger is away")
        scene.stop_after(1)
        scene.work(*messages)
        assert {each.jail for each in scene.ledger.banned()} == {"login", "scan"}
        assert len(scene.inbox.left) == 2
        scene.ledger.refused.clear()
        scene.worker = scene.intake()
        scene.worker.use(policy())
        scene.work()
        assert who(GOOD_IP, "recidive") in scene.ledger.banned()
        assert scene.inbox.left == set()

    def test_what_was_lifted_before_it_was_fed_feeds_nobody_when_its_messages_come_again(
        self, scene: Scene
    ) -> None:
        messages = [body(GOOD_IP, 2, jail=jail) for jail in ("login", "scan")]
        scene.ledger.refused[who(GOOD_IP, "recidive")] = Unavailable("the ledger is away")
        scene.stop_after(1)
        scene.work(*messages)
        acts = MemoryActs(scene.ledger)
        acts.lift(Act("a", scene.clock.now_ms(), "ann", Verb.UNBAN), acts.jails_of(KEY))
        scene.ledger.refused.clear()
        scene.worker = scene.intake()
        scene.worker.use(policy())
        scene.work()
        assert scene.inbox.left == set()
        now_ms = scene.clock.now_ms()
        assert {each.jail for each, ban in scene.ledger.banned().items() if ban.until_ms >= now_ms} == set()

    def test_a_ban_counts_the_bans_of_all_jails_if_its_jail_says_so(self, scene: Scene) -> None:
        both = {
            name: Jail(name, windows=(Window(2, 60_000),), increment=True, overalljails=True)
            for name in ("login", "scan")
        }
        scene.worker.use(Policy(jails=both))
        scene.work(body(GOOD_IP, 2, jail="login"))
        scene.clock.advance(1)
        at_s = scene.clock.now_ms() / 1000
        scene.work(json.dumps([{"ip": GOOD_IP, "jail": "scan", "at": at_s, "id": each} for each in "ab"]))
        assert scene.ledger.banned()[who(GOOD_IP, "scan")].count == 2


class TestReplay:
    def test_a_replay_feeds_and_counts_as_a_worker_does(self) -> None:
        rows = [("login", GOOD_IP, NOW_MS + at_s * SECOND_MS, 1) for at_s in (0, 1, 300, 301)]
        found = judge_rows(rows, policy(), []).verdicts
        assert [(each.who.jail, each.ban.start_ms) for each in found] == [
            ("login", NOW_MS + 1000),
            ("login", NOW_MS + 301_000),
            ("recidive", NOW_MS + 301_000),
        ]

    def test_a_replay_counts_over_all_jails(self) -> None:
        both = {
            name: Jail(name, windows=(Window(2, 60_000),), increment=True, overalljails=True)
            for name in ("login", "scan")
        }
        rows = [(jail, GOOD_IP, NOW_MS + at_s, 1) for at_s, jail in enumerate(("login", "login", "scan", "scan"))]
        assert _counts(judge_rows(rows, Policy(jails=both), []).verdicts) == {"login": 1, "scan": 2}


def _counts(verdicts: list[ReplayedBan]) -> dict[str, int]:
    return {each.who.jail: each.ban.count for each in verdicts}
