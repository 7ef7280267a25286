"""What every ledger promises to the intake, the enforcer and the command line."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from f2b_worker.adapters.dynamodb.many import MANY
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, MINUTE_MS, SECOND_MS, Jail, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import AccessDenied, F2bError, Invalid, Retryable, Throttled, Unavailable
from f2b_worker.testing import FakeClock
from tests.contract.ledgers import (
    KEPT_MS,
    NOW_MS,
    TABLE,
    WHO,
    Book,
    ban,
    commit,
    commit_all,
    hit,
    hits,
    plain,
    prolonged,
    record,
    remembered,
    settle,
    settle_at_last,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
    from f2b_worker.ports import BanBook
    from localstack.faults import FaultKind
    from localstack.local_aws import LocalAws


def standing(ledger: BanBook) -> dict[OffenderId, Ban]:
    return {each.who: each.ban for each in ledger.standing()}


def test_a_stranger_has_no_past(ledger: Book) -> None:
    assert record(ledger, hit(0)) == Offender(frozenset(hits(0)), ban=None, revision=0)
    assert ledger.history(WHO) == []
    assert standing(ledger) == {}


def test_nothing_to_do_is_done_without_complaint(ledger: Book) -> None:
    assert ledger.record({}) == {}
    assert ledger.commit({}) == {}
    assert ledger.publish({}) == {}
    assert list(ledger.follow().poll().bans) == []


def test_recording_is_a_union(ledger: Book) -> None:
    record(ledger, *hits(1, 2))
    assert record(ledger, *hits(2, 3)).hits == set(hits(1, 2, 3))


def test_recording_again_changes_nothing(ledger: Book) -> None:
    assert record(ledger, *hits(1, 2)) == record(ledger, *hits(2, 1)) == record(ledger, hit(2))


def test_two_hits_of_one_moment_are_two_hits(ledger: Book) -> None:
    twins = Hit(NOW_MS, "a"), Hit(NOW_MS, "a:b")
    assert record(ledger, *twins).hits == set(twins)


def test_an_answer_contains_what_others_recorded(ledger: Book, colleague: Book) -> None:
    record(colleague, hit(1))
    assert record(ledger, hit(2)).hits == set(hits(1, 2))


def test_each_jail_and_each_address_is_remembered_apart(ledger: Book) -> None:
    others = OffenderId("ssh", WHO.key), OffenderId(WHO.jail, "2001:db8::/64")
    answers = ledger.record({who: [hit(number)] for number, who in enumerate([WHO, *others])})
    assert [remembered(answers[who]).hits for who in [WHO, *others]] == [{hit(0)}, {hit(1)}, {hit(2)}]


def test_a_ban_is_stored_and_uses_its_hits_up(ledger: Book) -> None:
    seen = record(ledger, *hits(1, 2, 3))
    first = ban(3, evidence=hits(1, 2, 3))
    assert commit(ledger, seen, first) == Offender(frozenset(), plain(first), revision=1)
    assert ledger.history(WHO) == [first]
    assert standing(ledger) == {WHO: plain(first)}


def test_hits_after_the_end_of_a_ban_stay_for_the_next_one(ledger: Book) -> None:
    seen = record(ledger, *hits(1, 2, 3, 10_000))
    assert commit(ledger, seen, ban(3)).hits == {hit(10_000)}


def test_of_two_judges_with_the_same_evidence_one_bans_and_the_other_learns_it(
    ledger: Book, colleague: Book
) -> None:
    seen = record(ledger, *hits(1, 2, 3))
    assert record(colleague, *hits(1, 2, 3)) == seen
    won = commit(ledger, seen, ban(3, evidence=hits(1, 2, 3)))
    assert commit(colleague, seen, ban(2, length_ms=DAY_MS)) == won
    assert ledger.history(WHO) == [ban(3, evidence=hits(1, 2, 3))]
    assert standing(colleague) == {WHO: ban(3)}


def test_a_verdict_on_a_ban_that_has_changed_stores_none_of_its_bans(ledger: Book, colleague: Book) -> None:
    old = commit(ledger, record(ledger, *hits(1, 2, 3)), ban(3))
    extended = commit(colleague, old, prolonged(ban(3), hit(9)))
    assert commit(ledger, old, prolonged(ban(3), hit(5))) == extended
    assert ledger.history(WHO) == [extended.ban]
    assert standing(ledger) == {WHO: extended.ban}


def test_a_hit_recorded_between_verdict_and_commit_is_in_the_answer(ledger: Book, colleague: Book) -> None:
    seen = record(ledger, *hits(1, 2, 3))
    record(colleague, *hits(2.5, 4))
    answer = commit(ledger, seen, ban(3))
    assert answer.ban == ban(3)
    assert answer.hits == set(hits(2.5, 4))


def test_an_extension_moves_the_end_and_keeps_the_evidence(ledger: Book) -> None:
    seen = record(ledger, *hits(1, 2, 3))
    offender = commit(ledger, seen, ban(3, evidence=hits(1, 2, 3)))
    longer = prolonged(ban(3), hit(60))
    assert commit(ledger, offender, longer).ban == longer
    assert [stored.evidence for stored in ledger.history(WHO)] == [hits(1, 2, 3)]
    assert [plain(stored) for stored in ledger.history(WHO)] == [longer]
    assert standing(ledger) == {WHO: longer}


def test_the_history_keeps_every_ban_with_its_evidence_oldest_first(ledger: Book) -> None:
    bans = [ban(start_s, count, evidence=[hit(start_s)]) for count, start_s in enumerate([3, 5_000, 90_000], 1)]
    offender = commit(ledger, record(ledger, *hits(3, 5_000)), bans[0])
    offender = commit(ledger, offender, bans[1])
    assert offender.ban == plain(bans[1])
    offender = commit(ledger, offender, prolonged(bans[1], hit(5_001)))
    commit(ledger, offender, bans[2])
    assert [(stored.count, stored.evidence) for stored in ledger.history(WHO)] == [
        (each.count, each.evidence) for each in bans
    ]


def test_standing_shows_the_last_ban_of_everybody(ledger: Book, colleague: Book) -> None:
    many = {OffenderId("login", f"198.51.100.{number}/32"): ban(number) for number in range(12)}
    seen = commit_all(ledger, {who: Decision(Offender(), ban(-190_000)) for who in many})
    commit_all(ledger, {who: Decision(remembered(seen[who]), last) for who, last in many.items()})
    assert standing(colleague) == many


def test_who_begins_to_follow_learns_all_bans(ledger: Book, colleague: Book) -> None:
    many = {OffenderId("login", f"198.51.100.{number}/32"): ban(number) for number in range(12)}
    commit_all(ledger, {who: Decision(Offender(), new) for who, new in many.items()})
    changes = colleague.follow().poll()
    assert changes.is_all
    assert {each.who: each.ban for each in changes.bans} == many


def test_a_follower_is_told_every_change_once(ledger: Book, colleague: Book, clock: FakeClock) -> None:
    follower, seen = colleague.follow(), record(ledger, hit(1))
    assert list(follower.poll().bans) == []
    for second in range(3):
        seen = commit(ledger, seen, ban(second, second + 1))
        changes = follower.poll()
        assert [each.ban for each in changes.bans] == [ban(second, second + 1)]
        assert not changes.is_all
        clock.advance(0.4)
    assert list(follower.poll().bans) == []


def test_an_extension_is_a_change(ledger: Book, clock: FakeClock) -> None:
    offender = commit(ledger, Offender(), ban(1))
    follower = ledger.follow()
    follower.poll()
    clock.advance(60)
    longer = prolonged(ban(1), hit(9))
    commit(ledger, offender, longer)
    assert [each.ban for each in follower.poll().bans] == [longer]


def test_what_a_colleague_stored_and_did_not_live_to_tell_is_told_by_who_judges_it_again(
    ledger: Book, colleague: Book
) -> None:
    follower = ledger.follow()
    follower.poll()
    ledger.commit({WHO: Decision(record(ledger, *hits(1, 2, 3)), ban(3, evidence=hits(1, 2, 3)))})

    found = record(colleague, *hits(1, 2, 3))
    assert colleague.publish({WHO: found}) == {}

    assert [(each.who, each.ban) for each in follower.poll().bans] == [(WHO, ban(3))]


def test_trimming_forgets_those_hits_only(ledger: Book) -> None:
    record(ledger, *hits(1, 2, 3))
    ledger.trim(WHO, iter(hits(1, 3, 99)))
    assert record(ledger, hit(4)).hits == set(hits(2, 4))


def test_trimming_nothing_changes_nothing(ledger: Book) -> None:
    record(ledger, hit(1))
    ledger.trim(WHO, [])
    assert record(ledger, hit(2)).hits == set(hits(1, 2))


def test_a_long_backlog_of_bans_is_stored_in_rounds(ledger: Book) -> None:
    strict = Jail(windows=(Window(1, SECOND_MS),), bantime_ms=SECOND_MS)
    backlog = hits(*range(0, 1300, 10))
    last = settle(ledger, backlog, strict)
    assert [(stored.count, stored.evidence) for stored in ledger.history(WHO)] == [
        (number, (each,)) for number, each in enumerate(backlog, 1)
    ]
    assert standing(ledger) == {WHO: last.ban}
    assert last.ban == ban(1290, 130, length_ms=SECOND_MS)


def test_a_ban_for_ever_stays_one(ledger: Book) -> None:
    for_ever = ban(3, length_ms=FOREVER_MS)
    offender = commit(ledger, record(ledger, hit(3)), for_ever)
    assert offender.ban == for_ever
    assert standing(ledger) == {WHO: for_ever}
    assert record(ledger, hit(99)).ban == for_ever


@pytest.mark.parametrize("maxretry", [5, 40])
def test_eight_workers_at_once_lose_no_hit_and_ban_once(ledger: Book, maxretry: int) -> None:
    jail = Jail(windows=(Window(maxretry, 10 * MINUTE_MS),))
    everything = hits(*range(40))

    def work(number: int) -> None:
        for each in everything[number::8]:
            settle(ledger, [each], jail)

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(work, range(8)))
    (only,) = ledger.history(WHO)
    assert len(set(only.evidence)) == maxretry
    first = replace(only, until_ms=only.start_ms + only.length_ms, extended=0)
    assert only == prolonged(first, everything[-1])
    assert standing(ledger) == {WHO: plain(only)}


VALIDATION_LINES = (  # botocore's model of TransactionCanceledException
    "One or more parameter values were invalid.",
    "The update expression attempted to update the secondary index key beyond allowed size limits.",
    "An operand in the update expression has an incorrect data type.",
    "Item size to update has exceeded the maximum allowed size.",
    "Number overflow. Attempting to store a number with magnitude larger than supported range.",
    "Type mismatch for attribute to update.",
    "Nesting Levels have exceeded supported limits.",
    "The document path provided in the update expression is invalid for update.",
    "The provided expression refers to an attribute that does not exist in the item.",
)


class TestDynamoDb:
    @pytest.mark.parametrize(
        "code",
        [
            None,
            "ThrottlingException",
            "RequestLimitExceeded",
            "TransactionConflictException",
            "TransactionInProgressException",
            "TransactionCanceledException",
        ],
    )
    def test_a_conflict_or_a_throttle_is_worth_another_try(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws, code: str | None
    ) -> None:
        aws_in_process.edge.fault("dynamodb:*", "throttle", code=code, times=2)
        assert isinstance(dynamo.record({WHO: hits(1)})[WHO], Retryable)
        assert isinstance(dynamo.commit({WHO: Decision(Offender(), ban(1))})[WHO], Retryable)
        assert commit(dynamo, record(dynamo, hit(1)), ban(1)).ban == ban(1)

    @pytest.mark.parametrize(
        ("code", "line", "kind"),
        [
            ("ThrottlingException", "try again shortly", Throttled),
            ("ProvisionedThroughputExceededException", "exceeded", Throttled),
            ("TransactionConflictException", "is ongoing for the item", Unavailable),
            ("AccessDeniedException", "not authorized", AccessDenied),
            *(("ValidationException", line, Invalid) for line in VALIDATION_LINES),
        ],
    )
    def test_the_reason_of_a_refused_ban_is_told_and_says_whose_fault_it_is(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient, code: str, line: str, kind: type[F2bError]
    ) -> None:
        """What is invalid goes to the dead-letter queue, all else waits."""
        with Stubber(dynamodb) as stub:
            stub.add_client_error("update_item", code, line)
            stub.add_response("get_item", {})  # whether the item that is there is the reason
            answer = dynamo.commit({WHO: Decision(Offender(), ban(1))})[WHO]
        assert type(answer) is kind
        assert re.search(f"^banning {WHO.key} in {WHO.jail}: .*{line}", str(answer))

    @pytest.mark.parametrize("write", ["the hits", "the ban"])
    @pytest.mark.parametrize("kind", ["reset_before", "reset_after", "error"])
    def test_a_lost_answer_doubles_nothing(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws, write: str, kind: FaultKind
    ) -> None:
        evidence = hits(1, 2, 3)
        seen = record(dynamo, *evidence) if write == "the ban" else Offender()
        aws_in_process.edge.fault("dynamodb:UpdateItem", kind, times=1)
        if write == "the ban":
            answer = dynamo.commit({WHO: Decision(seen, ban(3, evidence=evidence))})[WHO]
        else:
            answer = dynamo.record({WHO: evidence})[WHO]
        assert isinstance(answer, Retryable)
        offender = settle_at_last(dynamo, evidence)
        assert offender.ban == ban(3)
        assert dynamo.history(WHO) == [ban(3, evidence=evidence)]
        assert offender.revision == 1
        assert [each["hits"] for each in aws_in_process.edge.faults()] == [1]

    def test_who_knows_of_a_later_end_and_is_refused_the_next_ban_leaves_no_later_end_in_the_history(
        self, dynamo: DynamoLedger
    ) -> None:
        first, second = ban(3, evidence=hits(1, 2, 3)), ban(1000, 2, evidence=hits(1000))
        seen = commit(dynamo, record(dynamo, *hits(1, 2, 3)), first)
        theirs = Decision.on(seen, (prolonged(first, hit(300)), ban(2000, 2)))
        dynamo._history.write({WHO: theirs})
        commit(dynamo, seen, second)
        assert remembered(dynamo.commit({WHO: theirs})[WHO]).ban == plain(second)
        assert dynamo.history(WHO) == [first, second]

    def test_the_sdk_may_repeat_a_ban_whose_answer_was_lost(
        self,
        open_ledger: Callable[..., DynamoLedger],
        connect: Callable[[int], DynamoDBClient],
        clock: FakeClock,
        aws_in_process: LocalAws,
    ) -> None:
        ledger = open_ledger(clock, connect(2))
        seen = record(ledger, *hits(1, 2, 3))
        aws_in_process.edge.fault("dynamodb:UpdateItem", "reset_after", times=1)
        assert commit(ledger, seen, ban(3, evidence=hits(1, 2, 3))).revision == 1
        assert ledger.history(WHO) == [ban(3, evidence=hits(1, 2, 3))]

    def test_one_offenders_failure_is_its_own(self, dynamo: DynamoLedger, aws_in_process: LocalAws) -> None:
        everybody = [OffenderId("login", f"198.51.100.{number}/32") for number in range(MANY - 1)]
        aws_in_process.edge.fault("dynamodb:UpdateItem", "throttle", times=1)
        recorded = dynamo.record({who: hits(1) for who in everybody})
        aws_in_process.edge.fault("dynamodb:UpdateItem", "throttle", times=1)
        banned = dynamo.commit({who: Decision(Offender(), ban(1)) for who in everybody})
        for answers in (recorded, banned):
            assert list(answers) == everybody
            kinds = [type(answer).__name__ for answer in answers.values()]
            assert sorted(kinds) == ["Offender"] * (MANY - 2) + ["Throttled"]
        assert sum(bool(dynamo.history(who)) for who in everybody) == MANY - 2

    def test_a_call_that_is_throttled_is_not_made_again_for_each_of_many(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws
    ) -> None:
        everybody = [OffenderId("login", f"198.51.100.{number}/32") for number in range(MANY)]
        seen = dynamo.record({who: hits(1) for who in everybody})
        aws_in_process.edge.fault("dynamodb:BatchExecuteStatement", "throttle", times=1)
        banned = dynamo.commit(
            {who: Decision(remembered(each), ban(1, evidence=hits(1))) for who, each in seen.items()}
        )
        assert {type(answer) for answer in banned.values()} == {Throttled}
        assert not any(dynamo.history(who) for who in everybody)

    @pytest.mark.parametrize("length_ms", [MINUTE_MS, KEPT_MS, 365 * DAY_MS, FOREVER_MS])
    def test_nothing_is_collected_before_it_is_forgotten(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient, clock: FakeClock, length_ms: int
    ) -> None:
        lasting = ban(1, length_ms=length_ms)
        commit(dynamo, record(dynamo, hit(1)), lasting)
        clock.advance(60)
        record(dynamo, hit(60))  # a hit during the ban must not shorten its life
        kept_until_s = [int(item["ttl"]["N"]) for item in of_addresses(dynamodb)]
        assert len(kept_until_s) == 1
        assert min(kept_until_s) * 1000 >= max(lasting.until_ms, clock.now_ms()) + KEPT_MS // 2

    def test_a_ban_that_was_over_when_it_was_stored_is_kept_as_long_as_one_that_ends_now(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient, clock: FakeClock
    ) -> None:
        # After an outage the backlog is judged on its own times; its messages may come again for as long as any.
        clock.advance(40 * DAY_MS / SECOND_MS)
        commit(dynamo, record(dynamo, hit(1)), ban(1))
        kept_until_s = {int(item["ttl"]["N"]) for item in of_addresses(dynamodb)}
        assert kept_until_s == {(clock.now_ms() + KEPT_MS) // 1000}

    def test_everything_that_is_written_after_a_reload_is_kept_for_as_long_as_the_new_jails_ask(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient, clock: FakeClock
    ) -> None:
        dynamo.keep_for(3 * KEPT_MS)
        commit(dynamo, record(dynamo, hit(1)), ban(1))
        dynamo.record({OffenderId("login", f"198.51.100.{number}/32"): [hit(1)] for number in range(9)})
        kept_until_s = [int(item["ttl"]["N"]) for item in of_addresses(dynamodb)]
        assert len(kept_until_s) == 1 + 9
        assert min(kept_until_s) >= (clock.now_ms() + 3 * KEPT_MS) // 1000

    def test_an_offender_who_was_never_banned_is_collected_after_the_last_hit(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient, clock: FakeClock
    ) -> None:
        record(dynamo, hit(1))
        clock.advance(DAY_MS / SECOND_MS)
        record(dynamo, hit(2))
        (state,) = of_addresses(dynamodb)
        assert int(state["ttl"]["N"]) == (clock.now_ms() + KEPT_MS) // 1000

    def test_every_read_is_strongly_consistent(self, dynamo: DynamoLedger, dynamodb: DynamoDBClient) -> None:
        asked: list[dict[str, Any]] = []
        for operation in ("Query", "GetItem"):
            dynamodb.meta.events.register(
                f"provide-client-params.dynamodb.{operation}", lambda params, **_: asked.append(params)
            )
        settle(dynamo, hits(1, 2, 3))
        dynamo.follow().poll()
        dynamo.history(WHO)
        list(dynamo.standing())
        assert asked
        assert all(params.get("ConsistentRead") for params in asked)

    def test_a_long_history_is_read_page_by_page(self, dynamo: DynamoLedger, dynamodb: DynamoDBClient) -> None:
        def two_a_page(params: dict[str, Any], **_: object) -> None:
            params["Limit"] = 2

        dynamodb.meta.events.register("provide-client-params.dynamodb.Query", two_a_page)
        bans = [ban(5_000 * number, number) for number in range(1, 8)]
        seen = Offender()
        for each in bans:
            seen = commit(dynamo, seen, each)
        assert dynamo.history(WHO) == bans

    @pytest.mark.parametrize("ahead_s", [-600, 600])
    def test_a_worker_whose_clock_is_wrong_hides_no_ban_from_followers(
        self, open_ledger: Callable[..., DynamoLedger], clock: FakeClock, ahead_s: int
    ) -> None:
        right, wrong = open_ledger(clock), open_ledger(FakeClock(NOW_MS + ahead_s * SECOND_MS))
        first, second = (wrong, right) if ahead_s > 0 else (right, wrong)
        commit(first, Offender(), ban(1), who=OffenderId("login", "198.51.100.1/32"))
        follower = right.follow()
        follower.poll()
        commit(second, Offender(), ban(2))
        assert WHO in {each.who for each in follower.poll().bans}


def of_addresses(client: DynamoDBClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [*client.scan(TableName=TABLE, ConsistentRead=True)["Items"]]
    return [item for item in items if item["pk"]["S"].startswith("ip#")]


def test_an_observed_ban_is_remembered_as_such(ledger: Any) -> None:
    observed = replace(ban(1), observed=True)
    answer = commit(ledger, Offender(), observed)

    assert answer.ban is not None
    assert answer.ban.observed
    assert [each.observed for each in ledger.history(WHO)] == [True]
    assert [each.ban.observed for each in ledger.standing()] == [True]


def test_a_hit_keeps_its_weight(ledger: Any) -> None:
    heavy = Hit(NOW_MS, "heavy", 3)
    assert record(ledger, heavy, hit(1)).hits == {heavy, hit(1)}

    commit(ledger, record(ledger, heavy), replace(ban(1), evidence=(heavy,)))
    (stored,) = ledger.history(WHO)
    assert stored.evidence == (heavy,)


def test_a_ban_keeps_the_blocklists_where_it_is_enforced(ledger: Any) -> None:
    answer = commit(ledger, Offender(), replace(ban(1), blocklists=("captcha", "count")))

    assert answer.ban is not None
    assert answer.ban.blocklists == ("captcha", "count")
    assert [each.blocklists for each in ledger.history(WHO)] == [("captcha", "count")]
    assert [each.ban.blocklists for each in ledger.standing()] == [("captcha", "count")]
