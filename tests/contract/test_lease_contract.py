"""What the lease promises: one holder, a successor soon after its death, and at once after its release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from f2b_worker.adapters.dynamodb.lease import AFTER_HEIR_S, AHEAD_S, RENEW_S, TAKEOVER_S, DynamoLease
from f2b_worker.adapters.provisioning import fleet as provision
from f2b_worker.errors import Unavailable
from f2b_worker.testing import FakeClock, MemoryLease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.ports import Lease
    from localstack.faults import FaultKind
    from localstack.local_aws import LocalAws

TABLE = "f2b"


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Reads the service's model once for all clients of these tests."""
    return boto3.Session("000000000001", "local", region_name="us-east-1")


@pytest.fixture
def dynamodb(aws_in_process: LocalAws, session: boto3.Session, account: str) -> Iterator[DynamoDBClient]:
    """A client that tries once, with a fresh table."""
    client = session.client(
        "dynamodb",
        endpoint_url=aws_in_process.endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
    )
    provision._make_table(client, TABLE)
    yield client
    client.close()


class Candidate:
    """A process that would enforce, with a clock of its own."""

    def __init__(self, client: DynamoDBClient, owner: str, name: str, enforces: str) -> None:
        self.clock = FakeClock()
        self.lease = DynamoLease(client, TABLE, name=name, owner=owner, clock=self.clock, enforces=enforces)

    def hold(self, after_s: float = 0.0) -> bool:
        self.clock.advance(after_s)
        return self.lease.hold()

    def wait_in_vain(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            assert not self.hold(after_s=1)


@pytest.fixture
def candidate(dynamodb: DynamoDBClient) -> Callable[..., Candidate]:
    def make(owner: str, name: str = "enforcer/us-east-1", enforces: str = "block") -> Candidate:
        return Candidate(dynamodb, owner, name, enforces)

    return make


@pytest.fixture
def first(candidate: Callable[..., Candidate]) -> Candidate:
    return candidate("first")


@pytest.fixture
def second(candidate: Callable[..., Candidate]) -> Candidate:
    return candidate("second")


def lose_answers(aws: LocalAws, kind: FaultKind = "reset_after", times: int | None = 1) -> None:
    aws.edge.fault("dynamodb:PutItem", kind, times=times)


def test_whoever_comes_first_holds_it_and_keeps_it(first: Candidate, second: Candidate) -> None:
    assert first.hold()
    for _ in range(30):
        assert first.hold(after_s=1)
        assert not second.hold(after_s=1)


def test_of_two_who_find_it_free_at_once_one_holds_it(candidate: Callable[..., Candidate]) -> None:
    assert [candidate(f"owner-{number}").hold() for number in range(4)] == [True, False, False, False]


def test_each_name_is_a_lease_of_its_own(candidate: Callable[..., Candidate]) -> None:
    assert candidate("first", "enforcer/us-east-1").hold()
    assert candidate("second", "enforcer/eu-west-1").hold()


def test_a_silent_holder_is_succeeded_after_its_time_and_no_sooner(first: Candidate, second: Candidate) -> None:
    first.hold()
    second.wait_in_vain(TAKEOVER_S)
    assert any(second.hold(after_s=1) for _ in range(round(RENEW_S) + 1))


def test_silence_is_measured_by_the_observers_own_clock(
    candidate: Callable[..., Candidate], first: Candidate
) -> None:
    first.hold()
    late = candidate("late")
    late.clock.advance(100_000)
    late.wait_in_vain(TAKEOVER_S - 1)


def test_a_sign_of_life_starts_the_silence_anew(first: Candidate, second: Candidate) -> None:
    first.hold()
    second.wait_in_vain(TAKEOVER_S - 1)
    assert first.hold(after_s=RENEW_S)
    second.wait_in_vain(TAKEOVER_S - 1)


def test_a_released_lease_is_taken_at_the_next_look(first: Candidate, second: Candidate) -> None:
    first.hold()
    assert not second.hold()
    first.lease.release()
    assert second.hold(after_s=RENEW_S)


def test_who_released_it_does_not_hold_it_until_the_next_look(first: Candidate) -> None:
    first.hold()
    first.lease.release()
    assert not first.hold(after_s=RENEW_S / 2)
    first.lease.release()
    assert first.hold(after_s=RENEW_S)


def test_a_holder_who_was_succeeded_notices_at_its_next_look(first: Candidate, second: Candidate) -> None:
    first.hold()
    second.wait_in_vain(TAKEOVER_S)
    assert any(second.hold(after_s=1) for _ in range(3))
    assert not first.hold(after_s=RENEW_S)
    first.lease.release()
    assert second.hold(after_s=RENEW_S)


def test_the_table_is_asked_every_other_second_at_most(aws_in_process: LocalAws, first: Candidate) -> None:
    aws_in_process.edge.reset_calls()
    for _ in range(21):
        first.hold(after_s=0.5)
    assert aws_in_process.edge.calls()["dynamodb:PutItem"] <= 6


def test_a_lost_answer_to_the_taking_of_it_costs_seconds_not_the_lease(
    aws_in_process: LocalAws, first: Candidate, second: Candidate
) -> None:
    lose_answers(aws_in_process)
    with pytest.raises(Unavailable):
        first.hold()
    assert not second.hold()
    assert first.hold(after_s=RENEW_S)
    assert not second.hold(after_s=RENEW_S)


def test_a_lost_answer_to_its_renewal_costs_seconds_not_the_lease(
    aws_in_process: LocalAws, first: Candidate, second: Candidate
) -> None:
    first.hold()
    lose_answers(aws_in_process)
    with pytest.raises(Unavailable):
        first.hold(after_s=RENEW_S)
    held = [first.hold(after_s=RENEW_S) for _ in range(2)]
    assert held[-1]
    assert not second.hold()


def test_a_holder_who_cannot_renew_it_stops_before_another_may_take_it(
    aws_in_process: LocalAws, first: Candidate, second: Candidate
) -> None:
    first.hold()
    assert not second.hold()
    lose_answers(aws_in_process, "error", times=None)
    for _ in range(round(TAKEOVER_S / RENEW_S)):
        with pytest.raises(Unavailable):
            first.hold(after_s=RENEW_S)
    aws_in_process.edge.clear_faults()
    assert second.hold(after_s=TAKEOVER_S)
    assert not first.hold(after_s=0.5)


def test_a_release_that_fails_says_so(aws_in_process: LocalAws, first: Candidate) -> None:
    first.hold()
    lose_answers(aws_in_process, "error")
    with pytest.raises(Unavailable):
        first.lease.release()


class TestAnHeir:
    def test_is_next_once_the_holder_was_silent_for_three_seconds_until_it_holds(
        self, first: Candidate, second: Candidate
    ) -> None:
        first.hold()
        second.wait_in_vain(AHEAD_S)
        assert not second.lease.is_next
        second.wait_in_vain(1)
        assert second.lease.is_next
        assert any(second.hold(after_s=1) for _ in range(round(TAKEOVER_S - AHEAD_S)))
        assert not second.lease.is_next

    def test_is_none_when_the_holder_gives_a_sign_of_life(self, first: Candidate, second: Candidate) -> None:
        first.hold()
        second.wait_in_vain(AHEAD_S + 1)
        assert second.lease.is_next
        assert first.hold(after_s=RENEW_S)
        second.wait_in_vain(RENEW_S)
        assert not second.lease.is_next
        second.wait_in_vain(TAKEOVER_S - RENEW_S - 1)
        assert first.hold(after_s=RENEW_S)

    def test_is_one_only_and_comes_before_all_others(self, candidate: Callable[..., Candidate]) -> None:
        candidate("dead").hold()
        others = [candidate(f"owner-{number}") for number in range(3)]
        for _ in range(round(TAKEOVER_S + 1)):
            holders = [each.lease for each in reversed(others) if each.hold(after_s=1)]
            heirs = [each.lease for each in others if each.lease.is_next]
            assert len(heirs) <= 1
        assert holders == [others[-1].lease]

    def test_that_dies_is_succeeded_by_the_others_a_little_later(
        self, candidate: Callable[..., Candidate]
    ) -> None:
        candidate("dead").hold()
        heir, other = candidate("heir"), candidate("other")
        heir.wait_in_vain(AHEAD_S + 1)
        other.wait_in_vain(TAKEOVER_S + AFTER_HEIR_S)
        assert any(other.hold(after_s=1) for _ in range(2))

    def test_that_does_not_know_whether_it_is_one_finds_out_at_the_next_look(
        self, aws_in_process: LocalAws, first: Candidate, second: Candidate
    ) -> None:
        first.hold()
        aws_in_process.edge.fault("dynamodb:UpdateItem", "reset_after", times=1)
        second.wait_in_vain(AHEAD_S + 1)
        assert not second.lease.is_next
        second.wait_in_vain(1)
        assert second.lease.is_next


class TestTwoConfigurations:
    def test_of_two_fleets_with_other_blocklists_on_one_table_only_one_enforces(
        self, candidate: Callable[..., Candidate]
    ) -> None:
        assert candidate("old", enforces="block").hold()
        candidate("new", enforces="block, captcha").wait_in_vain(TAKEOVER_S - 1)

    def test_who_stands_by_knows_what_is_enforced_otherwise_until_the_holder_goes(
        self, candidate: Callable[..., Candidate]
    ) -> None:
        old, new = candidate("old", enforces="block"), candidate("new", enforces="block, captcha")
        old.hold()
        assert new.lease.otherwise == ""
        new.hold()
        assert (old.lease.otherwise, new.lease.otherwise) == ("", "block")
        old.lease.release()
        assert new.hold(after_s=RENEW_S)
        assert new.lease.otherwise == ""
        old.hold(after_s=RENEW_S)
        assert old.lease.otherwise == "block, captcha"

    def test_who_stands_by_behind_its_own_configuration_has_nothing_to_say(
        self, first: Candidate, second: Candidate
    ) -> None:
        first.hold()
        second.hold()
        assert second.lease.otherwise == ""


class TestRenewal:
    def test_who_renews_it_in_the_middle_of_something_long_keeps_it(
        self, first: Candidate, second: Candidate
    ) -> None:
        first.hold()
        for _ in range(10):
            first.clock.advance(RENEW_S)
            first.lease.renew()
            second.wait_in_vain(RENEW_S)
        assert first.hold()

    def test_a_renewal_takes_no_lease_that_is_not_held(self, first: Candidate, second: Candidate) -> None:
        first.lease.renew()
        assert second.hold()

    def test_a_renewal_that_fails_is_left_to_the_next_look(
        self, aws_in_process: LocalAws, first: Candidate
    ) -> None:
        first.hold()
        first.clock.advance(RENEW_S)
        lose_answers(aws_in_process, "error", times=2)
        first.lease.renew()
        with pytest.raises(Unavailable):
            first.hold()


class TestAnItemThatCannotBeRead:
    BROKEN: tuple[dict[str, Any], ...] = (
        {},
        {"version": {"N": "5"}},
        {"owner": {"N": "1"}, "version": {"N": "5"}},
        {"owner": {"S": "first"}},
        {"owner": {"S": "first"}, "version": {"S": "5"}, "enforces": {"S": "block"}},
        {"owner": {"S": "first"}, "version": {"N": "9" * 38}},
        {"owner": {"NULL": True}, "version": {"L": []}, "more": {"S": "x"}},
    )

    @pytest.fixture(params=BROKEN)
    def broken(self, request: pytest.FixtureRequest, dynamodb: DynamoDBClient, first: Candidate) -> Candidate:
        assert first.hold()
        key = {"pk": {"S": "lease#enforcer/us-east-1"}, "sk": {"S": "lease"}}
        dynamodb.put_item(TableName=TABLE, Item=key | request.param)
        return first

    def test_is_taken_over_after_the_time_of_a_lease_by_one_of_those_who_want_it(
        self, broken: Candidate, candidate: Callable[..., Candidate]
    ) -> None:
        others = [candidate("second"), candidate("third")]
        everybody = [broken, *others]
        broken.clock.advance(RENEW_S)
        for _ in range(round(TAKEOVER_S) + 3):
            holders = [each.hold(after_s=1) for each in everybody]
            assert sum(holders) <= 1, "never two"
        assert sum(holders) == 1

    def test_who_held_it_before_cannot_move_it_once_it_is_taken_over(
        self, broken: Candidate, second: Candidate
    ) -> None:
        second.wait_in_vain(2)
        second.clock.advance(TAKEOVER_S)
        took = second.hold()
        assert took
        assert not broken.hold(after_s=RENEW_S)
        assert second.hold(after_s=RENEW_S)


@pytest.mark.parametrize("held", [True, False])
def test_the_lease_in_memory_is_held_as_told_and_remembers_its_release(held: bool) -> None:
    twin = MemoryLease(held=held)
    lease: Lease = twin
    assert lease.hold() is held
    lease.release()
    assert twin.released
