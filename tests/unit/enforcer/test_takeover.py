"""Who enforces next knows what is ours, whatever the one before left, and writes nothing without the lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.networks import Networks
from f2b_worker.enforcer import AUDIT_S
from f2b_worker.errors import Unavailable
from f2b_worker.testing import MemoryLease
from tests.unit.enforcer.scene import FOREIGN, UNBAN_LAG_S, A, B, IpSet, Scene, gaps_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.ports import IpSet as AnyIpSet
    from f2b_worker.ports import IpSetContents

NET = "203.0.113.0/24"
NEIGHBOURS = [f"203.0.113.{host}/32" for host in range(1, 6)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


class LandsLate(IpSet):
    """A set in which an update of somebody else's, or of an earlier try, takes effect right before the next."""

    late: str | None = None

    def write(self, entries: Iterable[str], token: str) -> str:
        if self.late:
            self.edit(self.held | {self.late})
            self.late = None
        return super().write(entries, token)


class TestUpdatesThatTakeEffectLate:
    def test_what_the_holder_before_was_writing_is_ours(self, scene: Scene) -> None:
        scene.settle(B)
        scene.restart()
        scene.ban(A, seconds=120)
        scene.enforcer.tick()
        scene.v4.edit(scene.v4.held | {A})
        scene.pass_time(600)
        assert scene.v4.held == {B}
        assert scene.notebook.read().foreign == {}

    def test_it_is_ours_although_no_update_finds_it_before_the_next_audit(self, scene: Scene) -> None:
        scene.settle(B)
        scene.ban(A, seconds=20)
        scene.pass_time(25)
        scene.v4.edit({B})
        scene.restart()
        scene.enforcer.tick()
        scene.v4.edit({A, B})
        scene.pass_time(2 * AUDIT_S + UNBAN_LAG_S)
        assert scene.v4.held == {B}

    def test_what_somebody_adds_afterwards_is_foreign_although_it_is_banned(self, scene: Scene) -> None:
        scene.settle(B)
        scene.restart()
        scene.pass_time(AUDIT_S + 5)
        scene.v4.edit({A, B})
        scene.ban(A, seconds=20)
        scene.pass_time(200)
        assert scene.v4.held == {A, B}

    def test_a_try_that_a_reading_did_not_show_yet_is_ours_when_it_takes_effect(self) -> None:
        scene = Scene()
        scene.finder.ip_sets["block"].remove(scene.v4)
        scene.v4 = LandsLate(scene.clock, scene.tries_s)
        scene.finder.ip_sets["block"].append(scene.v4)
        scene.settle(B)
        scene.pass_time(AUDIT_S)
        scene.ban(A, seconds=100)
        scene.v4.fails = [Unavailable("no answer")]
        while scene.v4.fails:
            scene.clock.advance(scene.enforcer.tick())
        scene.v4.late = A
        scene.pass_time(600)
        assert scene.v4.late is None
        assert scene.v4.held == {B}


class TestAnotherConfiguration:
    @pytest.mark.parametrize("after", [None, Collapse(10), Collapse(3, 25)])
    def test_a_network_of_ours_goes_although_bans_no_longer_collapse_so(self, after: Collapse | None) -> None:
        scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3)))
        scene.ban(*NEIGHBOURS, seconds=300)
        scene.pass_time(150)
        assert scene.v4.held == {NET}
        scene.blocklists = (Blocklist("block", ("f2b",), collapse=after),)
        scene.restart()
        scene.pass_time(1000)
        assert scene.v4.held == set()

    @pytest.mark.parametrize("key", ["64:ff9b::/64", "2001:0:4136:e378::/64", "2002:cb00:7114:7::/64"])
    def test_a_ban_of_a_range_that_is_now_judged_by_customer_ends_as_usual(self, scene: Scene, key: str) -> None:
        scene.ban(key, seconds=300)
        scene.pass_time(10)
        scene.restart()
        scene.pass_time(200)
        assert scene.v6.held == {key}
        scene.pass_time(400)
        assert scene.v6.held == set()

    @pytest.mark.parametrize("ignored", ["64:ff9b::/96", "203.0.113.50", "64:ff9b::203.0.113.50"])
    def test_of_such_a_ban_whom_the_allowlist_has_goes_free_at_once(self, scene: Scene, ignored: str) -> None:
        scene.settle("64:ff9b::/64")
        scene.restart(ignored)
        scene.pass_time(5)
        assert scene.v6.held == set(Networks([ignored]).rest_of("64:ff9b::/64"))
        assert not any(Networks([ignored]).touches(each) for each in scene.v6.held)

    @pytest.mark.parametrize("with_notes", [True, False])
    def test_a_network_that_no_longer_collapses_is_still_ours_and_goes(self, *, with_notes: bool) -> None:
        scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3)))
        teredo = [f"2001:0:4136:{client}::/64" for client in range(1, 4)]
        scene.ban(*teredo, seconds=300)
        if with_notes:
            scene.notebook.note_entries("networks", scene.v6.id, frozenset({"2001:0:4136::/48"}))
        scene.v6.edit({"2001:0:4136::/48"})
        scene.pass_time(200)
        assert scene.v6.held == set(teredo)
        scene.pass_time(400)
        assert scene.v6.held == set()

    def test_a_network_that_hits_whom_a_jail_ignores_by_now_is_taken_apart_at_once(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3)))
        scene.ban(*NEIGHBOURS)
        scene.pass_time(150)
        assert scene.v4.held == {NET}
        scene.apart = ("203.0.113.77",)
        scene.restart()
        scene.pass_time(5)
        assert scene.v4.held == set(NEIGHBOURS)
        scene.pass_time(150)
        assert scene.v4.held == set(NEIGHBOURS)

    def test_a_network_is_noted_before_it_is_written_and_forgotten_when_it_is_gone(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3)))
        scene.ban(*NEIGHBOURS, seconds=100)
        scene.v4.fails = [Unavailable("no answer")]
        while scene.v4.fails:
            scene.clock.advance(scene.enforcer.tick())
        assert NET not in scene.v4.held
        assert scene.notebook.read().networks == {scene.v4.id: {NET}}
        scene.pass_time(200)
        scene.ban(A)
        scene.pass_time(5)
        assert scene.notebook.read().networks == {}

    def test_who_is_on_the_new_allowlist_is_out_at_once(self, scene: Scene) -> None:
        scene.settle(A, B)
        scene.restart(A)
        scene.pass_time(5)
        assert scene.v4.held == {B}


class TestBansThatEnded:
    def test_one_that_ended_while_nobody_enforced_is_removed_however_long_that_was(self, scene: Scene) -> None:
        scene.ban(A, seconds=700)
        scene.settle(A)
        scene.clock.advance(86_400)
        scene.restart()
        scene.pass_time(UNBAN_LAG_S + 5)
        assert scene.v4.held == set()

    def test_who_is_put_in_by_hand_long_after_his_ban_stays_in_although_a_restart_comes_first(
        self, scene: Scene
    ) -> None:
        scene.ban(A, seconds=20)
        scene.pass_time(20 * 60)
        scene.v4.edit({A})
        scene.restart()
        scene.pass_time(200)
        assert scene.v4.held == {A}

    def test_a_removal_that_waits_is_not_taken_for_done(self, scene: Scene) -> None:
        scene.ban(A, seconds=20)
        scene.pass_time(10)
        scene.v4.fails = [Unavailable("no answer")] * 10_000
        scene.pass_time(1200)
        scene.v4.fails = []
        scene.restart()
        scene.pass_time(UNBAN_LAG_S + 5)
        assert scene.v4.held == set()

    def test_one_that_is_followed_by_an_observed_ban_before_its_removal_is_removed(self, scene: Scene) -> None:
        scene.ban(A, seconds=20)
        scene.pass_time(21)
        scene.ban(A, seconds=60, count=2, observed=True)
        assert A in scene.v4.held
        scene.restart()
        scene.pass_time(600)
        assert scene.v4.held == set()


class StaleLease(MemoryLease):
    """A lease that somebody else takes while an answer is awaited."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__()
        self.asked_s: list[float] = []
        self._now_s = now_s

    def hold(self) -> bool:
        self.asked_s.append(self._now_s())
        return super().hold()


class SlowSet(IpSet):
    """A set whose reading takes long, once it is told so."""

    on_read: Callable[[], None] = staticmethod(lambda: None)

    def read(self) -> IpSetContents:
        self.on_read()
        return super().read()


class TestLeaseAndTime:
    def test_nothing_is_written_when_the_lease_was_lost_while_a_set_was_read(self, scene: Scene) -> None:
        slow = SlowSet(scene.clock, scene.tries_s, 4, "slow")
        scene.finder.ip_sets["block"].append(slow)
        lease = StaleLease(scene.clock.monotonic_s)
        scene.enforcer = scene.another(lease=lease)
        scene.pass_time(AUDIT_S - 5)
        scene.tries_s.clear()

        def lose() -> None:
            scene.clock.advance(12)
            lease.held = False

        slow.on_read = lose
        scene.clock.advance(10)
        scene.ban(A)
        scene.pass_time(30)
        assert not lease.held
        assert scene.tries_s == []

    def test_the_lease_is_kept_while_it_is_looked_for_sets_and_bans(self, scene: Scene) -> None:
        jobs: list[Callable[[], None]] = []
        lease = StaleLease(scene.clock.monotonic_s)
        scene.enforcer = scene.another(lease=lease, aside=jobs.append)
        scene.ban(A)
        scene.pass_time(20)
        assert len(jobs) == 2
        assert max(gaps_s(lease.asked_s)) < 2
        for job in jobs:
            job()
        scene.pass_time(3)
        assert scene.v4.held == {A}

    def test_sets_that_were_found_before_the_lease_was_lost_are_looked_for_anew(self, scene: Scene) -> None:
        found: list[Mapping[str, Sequence[AnyIpSet]]] = []
        find = scene.finder.find

        def watched(tell: Callable[[str, AnyIpSet], None] = lambda *_: None) -> Mapping[str, Sequence[AnyIpSet]]:
            found.append(find(tell))
            return found[-1]

        scene.finder.find = watched  # type: ignore[method-assign]
        scene.pass_time(5)
        scene.lease.held = False
        scene.pass_time(5)
        scene.lease.held = True
        scene.pass_time(5)
        assert len(found) == 2

    def test_how_long_sets_were_not_found_before_the_lease_was_lost_does_not_count_after_it(
        self, scene: Scene
    ) -> None:
        scene.finder.failure = Unavailable("WAF does not answer")
        scene.pass_time(30)
        assert not scene.enforcer.ready
        scene.lease.held = False
        scene.pass_time(5)
        scene.lease.held = True
        scene.pass_time(10)
        assert scene.enforcer.ready

    def test_a_failure_to_find_sets_is_no_failure_of_the_ledger(self, scene: Scene) -> None:
        scene.finder.failure = Unavailable("WAF does not answer")
        scene.run(10)
        assert scene.enforcer.ready
        scene.run(30)
        assert scene.enforcer.problem == "WAF does not answer"
        scene.finder.failure = None
        scene.v4.edit({FOREIGN})
        scene.ban(A)
        scene.run(10)
        assert (scene.enforcer.ready, set(scene.v4.held)) == (True, {A, FOREIGN})
