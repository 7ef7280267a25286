"""The promises 3 to 5 of docs/design.md, whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from f2b_worker.errors import Unavailable
from tests.property.enforcer_world import ALLOWED, KEYS, RANGES, STRANGE, World

settings.register_profile("enforcer", deadline=None, derandomize=True, database=None)
FAULTS = ["throttled", "unavailable", "lost answer", "late"]
BLOCKLISTS = [("block",), ("captcha",), ("block", "captcha")]
ANY = st.integers(0, 99)


class EnforcerMachine(RuleBasedStateMachine):
    """Bans, other people, failures and takeovers in random order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(
        keys=st.lists(st.sampled_from([*KEYS, *RANGES, *RANGES]), min_size=1, max_size=4),
        jail=st.sampled_from(["login", "scan"]),
        seconds=st.sampled_from([3, 30, 100, 1000]),
        blocklists=st.sampled_from(BLOCKLISTS),
    )
    def ban(self, keys: list[str], jail: str, seconds: float, blocklists: tuple[str, ...]) -> None:
        for key in keys:
            self.world.ban(key, jail, seconds, blocklists)

    @rule(seconds=st.sampled_from([0.1, 0.7, 1.5, 3.0, 12.0, 25.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(number=ANY, entry=st.sampled_from(STRANGE))
    def somebody_adds_an_entry(self, number: int, entry: str) -> None:
        sets = [each for each in self.world.living if (":" in entry) == (each.family == 6)]
        if sets:
            self.world.claim(sets[number % len(sets)], entry)

    @rule(number=ANY, key=st.sampled_from(KEYS[:3]))
    def somebody_adds_an_address_that_is_banned_now_or_later(self, number: int, key: str) -> None:
        """Whose it is can be known only to an enforcer that knew the set before."""
        self.world.calm()
        sets = [each for each in self.world.living if each.family == 4]
        if sets:
            self.world.claim(sets[number % len(sets)], key)
        self.world.calm()

    @rule(number=ANY, which=ANY)
    def somebody_removes_an_entry(self, number: int, which: int) -> None:
        sets = [each for each in self.world.living if each.held]
        if sets:
            ip_set = sets[number % len(sets)]
            held = sorted(ip_set.held)
            self.world.take_out(ip_set, held[which % len(held)])

    @precondition(lambda self: len(self.world.sets) < 9)
    @rule(blocklist=st.sampled_from(["block", "captcha"]), family=st.sampled_from([4, 4, 6]))
    def somebody_adds_a_set(self, blocklist: str, family: int) -> None:
        self.world.add_set(blocklist, family)

    @rule(number=ANY)
    def somebody_deletes_a_set(self, number: int) -> None:
        if len(self.world.living) > 2:
            self.world.delete(self.world.living[number % len(self.world.living)])

    @rule(number=ANY, faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3))
    def updates_fail(self, number: int, faults: list[str]) -> None:
        self.world.living[number % len(self.world.living)].faults += faults

    @rule(number=ANY)
    def a_set_does_not_answer(self, number: int) -> None:
        self.world.living[number % len(self.world.living)].failure = Unavailable("no answer")

    @rule()
    def every_set_answers(self) -> None:
        for each in self.world.living:
            each.failure = None

    @rule(fails=st.booleans())
    def the_ledger_fails_or_not(self, fails: bool) -> None:
        self.world.ledger.failure = Unavailable("no answer") if fails else None

    @rule(number=st.integers(0, 1), found=st.integers(0, 4), seconds=st.sampled_from([3.0, 7.0, 12.0]))
    def a_takeover_finds_no_more_than_some_sets(self, number: int, found: int, seconds: float) -> None:
        self.world.finder.failure, self.world.finder.finds_first = Unavailable("no answer"), found
        self.world.restart(number)
        self.world.move_lease(number)
        self.world.pass_time(seconds)

    @rule()
    def all_sets_are_found(self) -> None:
        self.world.finder.failure = None

    @rule(to=st.sampled_from([0, 1, 1, 0, None]))
    def the_lease_moves(self, to: int | None) -> None:
        self.world.move_lease(to)

    @rule(number=st.integers(0, 1))
    def a_worker_restarts(self, number: int) -> None:
        self.world.restart(number)

    @rule(number=st.integers(0, 1), entry=st.sampled_from(ALLOWED))
    def a_restart_with_another_allowlist_lets_out_at_once(self, number: int, entry: str) -> None:
        self.world.calm()
        self.world.check()
        self.world.restart(number, entry)
        self.world.move_lease(number)
        self.world.pass_time(15)
        self.world.check_allowlist()

    @rule(key=st.sampled_from(KEYS), jail=st.sampled_from(["login", "scan"]))
    def a_ban_is_observed(self, key: str, jail: str) -> None:
        self.world.observe(key, jail)

    @rule(entries=st.sets(st.sampled_from(ALLOWED), max_size=2))
    def the_allowlist_changes(self, entries: set[str]) -> None:
        self.world.allow(*sorted(entries))

    @rule(key=st.sampled_from([*KEYS, *RANGES, *RANGES]), jail=st.sampled_from(["login", "scan"]))
    def somebody_lifts_a_ban(self, key: str, jail: str) -> None:
        self.world.lift(key, jail)

    @rule(blocklist=st.sampled_from(["block", "captcha"]), seconds=st.sampled_from([0.0, 1.0, 5.0, 60.0]))
    def somebody_pauses_a_blocklist_or_resumes_all(self, blocklist: str, seconds: float) -> None:
        self.world.pause(**({blocklist: seconds} if seconds else {}))

    @rule()
    def all_is_quiet(self) -> None:
        self.world.calm()
        self.world.check()
        self.world.excused.clear()

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True))
    def bans_are_in_within_two_seconds_and_a_slot_for_each_group(self, keys: list[str]) -> None:
        self.world.calm()
        self.world.check()
        for key in keys:
            self.world.ban(key, "fast", 600, ("block",))
        self.world.pass_time(2 + 1.05)
        for key in self.world.active("block").keys() & keys:
            family = 6 if ":" in key else 4
            if self.world.group("block", family) and not self.world.is_full("block", family):
                assert self.world.is_covered("block", key)

    @invariant()
    def nobody_else_lost_an_entry(self) -> None:
        for each in self.world.living:
            assert self.world.claims[each.id] <= each.held

    def teardown(self) -> None:
        self.world.calm()
        self.world.check()


TestEnforcer = EnforcerMachine.TestCase
TestEnforcer.settings = settings(
    settings.get_profile("enforcer"),
    max_examples=60,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
