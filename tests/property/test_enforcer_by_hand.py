"""What people do by hand, in any order, on sets that answer: who is freed goes soon, and nobody else does."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from f2b_worker.domain.networks import Networks
from tests.property.enforcer_world import KEYS, RANGES, World

settings.register_profile("by_hand", deadline=None, derandomize=True, database=None)
BLOCKLISTS = [("block",), ("captcha",), ("block", "captcha")]
JAILS = ["login", "manual"]
# Few, so that much of it overlaps: what is allowed leaves pieces that are banned themselves.
SOME = [KEYS[0], KEYS[3], KEYS[5], KEYS[6], *RANGES, *RANGES]
SPARED = [KEYS[0], KEYS[4], "192.0.2.0/32", "192.0.2.0/25"]
SOON_S = 2 + 2 * 1.05  # and a slot for each of two sets more


class HandsMachine(RuleBasedStateMachine):
    """Bans of addresses and ranges, lifts, pauses and an allowlist that changes, while the lease moves."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.calm(10)
        self.moved_s = self.allowed_s = float("-inf")
        self.lifted_s: dict[str, float] = {}

    @rule(
        keys=st.lists(st.sampled_from(SOME), min_size=1, max_size=3),
        jail=st.sampled_from(JAILS),
        seconds=st.sampled_from([3, 1000, 1000]),
        blocklists=st.sampled_from(BLOCKLISTS),
    )
    def ban(self, keys: list[str], jail: str, seconds: float, blocklists: tuple[str, ...]) -> None:
        for key in keys:
            self.world.ban(key, jail, seconds, blocklists)
            self.lifted_s.pop(key, None)
        self.world.pass_time(2)

    @rule(keys=st.lists(st.sampled_from(SOME), min_size=1, max_size=3), jails=st.sampled_from([JAILS, JAILS[:1]]))
    def lift(self, keys: list[str], jails: list[str]) -> None:
        for key in keys:
            for jail in jails:
                self.world.lift(key, jail)
            if jails == JAILS:
                self.lifted_s[key] = self.now_s

    @rule(entries=st.sets(st.sampled_from(SPARED), max_size=2))
    def the_allowlist_changes(self, entries: set[str]) -> None:
        self.world.allow(*sorted(entries))
        self.allowed_s = self.now_s

    @rule()
    def somebody_resumes_all(self) -> None:
        self.world.pause()

    @rule(
        blocklist=st.sampled_from(["block", "captcha"]),
        seconds=st.sampled_from([5.0, 60.0]),
        new=st.sampled_from(SOME),
        freed=st.sampled_from(SOME),
    )
    def somebody_pauses_a_blocklist_and_frees_somebody(
        self, *, blocklist: str, seconds: float, new: str, freed: str
    ) -> None:
        self.world.pause(**{blocklist: seconds})
        self.ban([new], JAILS[0], 1000, (blocklist,))
        self.lift([freed], JAILS)
        self.world.pass_time(3)

    @rule(to=st.integers(0, 1), is_new=st.booleans())
    def the_lease_moves(self, to: int, *, is_new: bool) -> None:
        if is_new:
            self.world.restart(to)
        self.world.move_lease(to)
        self.moved_s = self.now_s

    @rule(seconds=st.sampled_from([0.7, 3.0, 5.0, 25.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def all_is_quiet(self) -> None:
        self.world.calm()
        self.world.check()

    @property
    def now_s(self) -> float:
        return self.world.clock.monotonic_s()

    @invariant()
    def who_is_allowed_is_out_soon(self) -> None:
        if self.now_s - max(self.allowed_s, self.moved_s) > SOON_S:
            self.world.check_allowlist()

    @invariant()
    def who_is_lifted_is_out_soon(self) -> None:
        soon_s = self.now_s - SOON_S
        freed = {key for key, at_s in self.lifted_s.items() if max(at_s, self.moved_s) < soon_s}
        for each in self.world.living:
            # A piece of what is banned still, or came to its own end a moment ago, may be such a key.
            others = self.world.active(each.blocklist, ended_s=40, but_for=freed)
            explained = Networks([*others, *self.world.lately[each.blocklist] - freed])
            left = {entry for key in freed for entry in (key, *self.world.allowed.rest_of(key))} & each.held
            assert not {entry for entry in left if not explained.touches(entry)}, each.name

    def teardown(self) -> None:
        self.world.calm()
        self.world.check()


TestHands = HandsMachine.TestCase
TestHands.settings = settings(
    settings.get_profile("by_hand"),
    max_examples=80,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
)
