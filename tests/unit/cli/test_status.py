"""The verdict of `f2b status`: what somebody should see to, and what is all right."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from f2b_worker.cli.status import _lines
from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet, NotedSets, Progress
from f2b_worker.ports import Holder, Notes, QueueDepth, WorkerSign
from f2b_worker.query.looking import Seen
from f2b_worker.query.status import RELOADED_WITHIN_MS, Filled, Status, status_object

NOW_MS = 1_700_000_000_000
ALIVE = WorkerSign("a/1/c0ffee01", NOW_MS - 60_000, NOW_MS - 100_000, "0.1.0")
WELL = Status(
    ledger="f2b",
    now_ms=NOW_MS,
    bans={"login": 12_345, "ssh": 1},
    seen=Seen([ALIVE], QueueDepth(3, 2, 1, 0), {"eu-west-1": Holder("a/1/c0ffee02", "block (f2b)")}),
    sets=[
        Filled("f2b-ipv4", "block", 4, 10_000, NOW_MS - 12_345),
        Filled("f2b-ipv4-2", "block", 4, 9_999, NOW_MS),
    ],
    notes={"eu-west-1": Notes({})},
)
NOTED = NotedSets(
    NOW_MS - 5_000,
    NOW_MS - 6_000,
    (NotedGroup("block", 4, (NotedSet("f2b-ipv4", 10_000, NOW_MS),), ("192.0.2.1/32", "192.0.2.2/32")),),
    Progress(7, NOW_MS - 90_000, NOW_MS - 200_000, 1_840),
)


def seen(**changes: Any) -> Status:
    return dataclasses.replace(WELL, seen=dataclasses.replace(WELL.seen, **changes))


def test_where_all_is_well_the_first_line_says_so() -> None:
    assert WELL.problems == []
    assert list(_lines(WELL)) == [
        "OK",
        "bans      12,346 run in f2b: login 12,345, ssh 1",
        "workers   1 alive",
        "enforcer  eu-west-1: a/1/c0ffee02",
        "queue     3 waiting, 2 in hand, 1 delayed, 0 dead letters",
        "IP SET      BLOCKLIST  ENTRIES      OF",
        "f2b-ipv4    block       10,000  10,000",
        "f2b-ipv4-2  block        9,999  10,000",
    ]


def test_ip_sets_that_an_enforcer_noted_are_said_to_be_so_and_how_old_that_is() -> None:
    lines = list(_lines(dataclasses.replace(WELL, are_noted=True)))
    assert "ip sets   as noted by who enforces, seen 12s ago; --live asks WAF" in lines
    assert [each["seen"] for each in status_object(WELL)["sets"]] == [1_699_999_987.655, 1_700_000_000]


def noted(sets: NotedSets) -> Status:
    return dataclasses.replace(WELL, notes={"eu-west-1": Notes({}, sets=sets)})


def test_it_is_said_how_fast_bans_get_into_the_sets_and_how_much_of_the_budget_of_waf_that_took() -> None:
    status = noted(NOTED)
    assert (
        "waf       eu-west-1: 2 wait, the longest for 1m30s, the last ban took 1.8s (3m20s ago),"
        " 7 of 60 updates in the last minute"
    ) in list(_lines(status))
    (told,) = status_object(status)["enforcers"]
    assert (told["owner"], told["waiting"], told["last_took"]) == ("a/1/c0ffee02", 2, 1.84)
    assert (told["updates_last_minute"], told["updates_per_minute"]) == (7, 60)
    assert (told["waiting_since"], told["last_enforced"]) == (NOW_MS / 1000 - 90, NOW_MS / 1000 - 200)


def test_where_nothing_waits_and_nothing_was_written_that_is_said() -> None:
    line = "waf       eu-west-1: nothing waits, 0 of 60 updates in the last minute"
    assert line in list(_lines(noted(NOTED._replace(progress=Progress()))))


def test_what_an_older_enforcer_does_not_note_is_not_known() -> None:
    status = noted(NOTED._replace(progress=None))
    assert not any(line.startswith("waf") for line in _lines(status))
    (told,) = status_object(status)["enforcers"]
    assert (told["waiting"], told["updates_last_minute"], told["last_took"]) == (2, None, None)


@pytest.mark.parametrize(
    ("oldest_ms", "line", "age"),
    [
        (None, "0 dead letters", None),
        (999, "0 dead letters", 0.999),
        (75_400, "0 dead letters; the oldest waited 1m15s", 75.4),
    ],
)
def test_the_age_of_the_oldest_message_is_said(oldest_ms: int | None, line: str, age: float | None) -> None:
    status = seen(oldest_ms=oldest_ms)
    assert f"queue     3 waiting, 2 in hand, 1 delayed, {line}" in list(_lines(status))
    assert status_object(status)["queue"]["oldest_age"] == age


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (seen(workers=[]), "no worker is alive"),
        (seen(workers=[dataclasses.replace(ALIVE, at_ms=NOW_MS - 181_000)]), "no worker is alive"),
        (seen(workers=[dataclasses.replace(ALIVE, remark="no queue")]), "worker a/1/c0ffee01: no queue"),
        (seen(holders={"eu-west-1": Holder()}), "nobody enforces in eu-west-1"),
        (seen(queue=QueueDepth(0, 0, 0, 7)), "7 dead letters: f2b dlq list"),
        (dataclasses.replace(WELL, notes={"x": Notes({}, held_back_from_ms=NOW_MS)}), "x: bans since 2023"),
        (dataclasses.replace(WELL, sets=WELL.sets[:1]), "the IPv4 sets of blocklist block are full"),
        (dataclasses.replace(WELL, control=Control({"*": Pause(0, by="me")})), "all blocklists are paused by me"),
        (
            dataclasses.replace(WELL, control=Control({"captcha": Pause(0, NOW_MS)})),
            "blocklist captcha is paused",
        ),
    ],
)
def test_what_somebody_should_see_to_is_the_first_line(status: Status, told: str) -> None:
    (problem,) = status.problems
    assert told in problem
    assert next(iter(_lines(status))) == f"NOT OK: {problem}"


def noted_ago(ago_ms: int, *workers: WorkerSign, owner: str = "a/1/c0ffee02", now_ms: int = NOW_MS) -> Status:
    """See a fleet whose enforcer noted nothing for so long."""
    sets = NOTED._replace(at_ms=NOW_MS - ago_ms, known_ms=NOW_MS - ago_ms, progress=None, groups=())
    status = seen(workers=list(workers), holders={"eu-west-1": Holder(owner)})
    return dataclasses.replace(status, now_ms=now_ms, notes={"eu-west-1": Notes({}, sets=sets)})


HOUR_MS = 3_600_000
JUDGE = WorkerSign("b/2/c0ffee03", NOW_MS - 1_000, NOW_MS - 2 * HOUR_MS, "0.2.0")
KILLED = dataclasses.replace(ALIVE, at_ms=NOW_MS - HOUR_MS, started_ms=NOW_MS - 2 * HOUR_MS)


def test_the_name_of_a_dead_enforcer_in_the_lease_is_no_sign_of_life() -> None:
    (problem,) = noted_ago(HOUR_MS, JUDGE, KILLED).problems
    assert problem == ("eu-west-1: who enforces has given no sign for 1h: look at its log, or start a worker")


@pytest.mark.parametrize(
    "status",
    [
        noted_ago(89_000, JUDGE, KILLED),
        # The whole fleet was stopped for an hour.
        noted_ago(HOUR_MS, dataclasses.replace(JUDGE, started_ms=NOW_MS - 60_000)),
        # Only the enforcer was.
        noted_ago(HOUR_MS, JUDGE, dataclasses.replace(ALIVE, started_ms=NOW_MS - 80_000)),
        # The reader's clock is two minutes ahead.
        noted_ago(20_000, JUDGE, ALIVE, now_ms=NOW_MS + 120_000),
        # Nothing is to be enforced here any more.
        dataclasses.replace(noted_ago(HOUR_MS, JUDGE), seen=dataclasses.replace(WELL.seen, holders={})),
    ],
)
def test_an_enforcer_that_works_or_has_just_begun_is_not_taken_for_silent(status: Status) -> None:
    assert status.problems == []


def test_where_no_worker_is_alive_that_is_said_and_not_that_the_enforcer_is_silent_too() -> None:
    assert noted_ago(HOUR_MS, KILLED).problems == ["no worker is alive: infractions wait, and no ban is written"]


def test_of_a_state_file_the_region_that_was_noted_last_counts() -> None:
    old, new = (NOTED._replace(at_ms=NOW_MS - ago_ms, progress=None, groups=()) for ago_ms in (HOUR_MS, 10_000))
    notes = {"us-east-1": Notes({}, sets=old), "eu-west-1": Notes({}, sets=new)}
    worker = dataclasses.replace(JUDGE, at_ms=NOW_MS)
    well = dataclasses.replace(seen(workers=[worker], holders={}), notes=notes)
    assert well.problems == []
    silent = dataclasses.replace(well, notes={"us-east-1": notes["us-east-1"]})
    assert "us-east-1: who enforces has given no sign for 1h" in silent.problems[0]


def test_bans_that_wait_are_a_problem_of_the_verdict_as_they_are_a_notice() -> None:
    (problem,) = noted(NOTED._replace(groups=())).problems
    assert problem == "eu-west-1: bans wait for 1m25s to be enforced: look at the log of who enforces"
    full = NOTED.groups[0]._replace(sets=(NotedSet("f2b-ipv4", 9_900, NOW_MS),))
    status = noted(NOTED._replace(progress=None, groups=(full,)))
    status = dataclasses.replace(status, sets=[Filled("f2b-ipv4", "block", 4, 9_900, NOW_MS)])
    assert status.problems == [
        "the IPv4 sets of blocklist block are full, and bans find no room: f2b provision --capacity"
    ]


@pytest.mark.parametrize(
    "status",
    [
        seen(workers=None),
        seen(queue=None),
        dataclasses.replace(WELL, control=Control({"*": Pause(0, NOW_MS - 1)})),
    ],
)
def test_what_is_not_known_or_over_is_no_problem(status: Status) -> None:
    assert status.problems == []


def test_it_is_said_how_many_workers_only_enforce() -> None:
    status = seen(workers=[ALIVE, dataclasses.replace(ALIVE, name="b", judges=False)])
    assert "workers   2 alive, 1 of them only to enforce" in list(_lines(status))
    assert [each["judges"] for each in status_object(status)["workers"]] == [True, False]


RELOADED, KEPT, OLD = (
    dataclasses.replace(ALIVE, name=name, generation=generation)
    for name, generation in (("a", 3), ("b", 2), ("c", None))
)
DEAD = dataclasses.replace(KEPT, name="d", at_ms=NOW_MS - 3_600_000)


def asked(ms_ago: int, *workers: WorkerSign) -> Status:
    control = Control(generation=3, asked_ms=NOW_MS - ms_ago)
    return dataclasses.replace(seen(workers=[RELOADED, OLD, DEAD, *workers]), control=control)


def test_who_has_not_reloaded_is_named_and_a_problem_only_after_a_while() -> None:
    status = asked(RELOADED_WITHIN_MS, KEPT)
    assert status.problems == []
    assert "reload    1 of 3 workers have not reloaded: b (generation 3, asked 1m30s ago)" in list(_lines(status))
    late = asked(RELOADED_WITHIN_MS + 1, KEPT)
    assert late.problems == ["1 of 3 workers have not reloaded: b: jails_kept in the log of each says why"]
    told = status_object(late)
    assert (told["not_reloaded"], told["reload_asked"]) == (["b"], (NOW_MS - RELOADED_WITHIN_MS - 1) / 1000)


def test_who_reloaded_does_not_say_or_is_silent_is_not_behind() -> None:
    status = asked(3_600_000)
    assert status.problems == []
    assert not any("reload" in line for line in _lines(status))


def test_of_many_that_have_not_reloaded_a_few_are_named() -> None:
    status = asked(0, *(dataclasses.replace(KEPT, name=f"w{number}") for number in range(7)))
    assert status.behind_told == "7 of 9 workers have not reloaded: w0, w1, w2, w3, w4 and 2 more"


def test_silent_workers_are_counted() -> None:
    silent = dataclasses.replace(ALIVE, name="b", at_ms=NOW_MS - 3_600_000)
    assert "workers   1 alive, 1 silent, the last for 1h" in list(_lines(seen(workers=[ALIVE, silent])))
