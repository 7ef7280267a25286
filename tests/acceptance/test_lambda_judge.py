"""The judge as a Lambda function: real messages as events, on the local AWS."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from click.testing import CliRunner

from demo.checker import Infraction
from demo.fleet import NAME, eventually
from f2b_worker.aws_lambda.function import Function
from f2b_worker.cli.f2b import main
from tests.acceptance.attacks import now_ms, send_bodies, wrongs
from tests.acceptance.sqs_events import Context, failures, map_events, received, settle
from tests.acceptance.test_enforce_only import enforcer
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws


pytestmark = pytest.mark.own_policies


@pytest.fixture
def function(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """A container of the function that has not seen an event yet."""
    for name, value in {"F2B_TABLE": NAME, "F2B_CONFIG": str(tmp_path / "f2b.toml"), "F2B_MAX_AGE": "0"}.items():
        monkeypatch.setenv(name, value)
    assert fleet.policies
    monkeypatch.setenv("AWS_SESSION_TOKEN", fleet.policies.token("judge"))
    made = Function()
    yield made
    structlog.reset_defaults()
    if made._kept:
        made._kept.opened.close()


def hits(ip: str, times: int, before_s: float = 5.0) -> list[Infraction]:
    """As many infractions of one address, within a second."""
    at_ms = now_ms() - round(before_s * 1000)
    return [Infraction(ip, "default", at_ms + 100 * number) for number in range(times)]


def bodies(infractions: Sequence[Infraction], size: int) -> list[str]:
    """Write them into messages of *size* infractions."""
    items = [
        {"ip": one.ip, "jail": one.jail, "at": one.at_ms / 1000, "id": f"{one.ip} {one.at_ms}"}
        for one in infractions
    ]
    return [json.dumps(items[start : start + size]) for start in range(0, len(items), size)]


def stored(fleet: Fleet) -> dict[str, Any]:
    """Read what counts of all that the table remembers of addresses: bans, and the hits of who is not banned.

    Those of a ban are spent; once the event comes again, they may stand beside it.
    """
    items = fleet.dynamodb.scan(TableName=NAME, ConsistentRead=True)["Items"]
    return {
        f"{item['pk']['S']} {item['sk']['S']}": (
            (item["ban"], item["evidence"]) if "ban" in item else sorted(item["hits"]["SS"])
        )
        for item in items
        if item["pk"]["S"].startswith("ip#") and item["sk"]["S"].startswith("s#")
    }


def test_an_event_is_judged_once_however_often_it_comes_and_what_is_bad_in_it_goes_to_the_dead_letters(
    fleet: Fleet, function: Function, capfd: pytest.CaptureFixture[str]
) -> None:
    banned = [each for last in range(100) for each in hits(f"203.0.113.{last}", 3)]
    watched = [each for last in range(50) for each in hits(f"198.51.100.{last}", 2)]
    good = banned + watched
    send_bodies(fleet, [*bodies(good, 4), "{no json", '[{"ip": "nobody", "jail": "default"}]'])
    event = received(fleet)
    assert len(event["Records"]) == 102

    assert failures(function.handle(event, Context())) == []

    assert wrongs(fleet, good) == []
    assert len(fleet.bans()) == 100
    before = stored(fleet)
    assert {len(before[f"ip#198.51.100.{last}/32 s#default"]) for last in range(50)} == {2}
    reasons = sorted(each["MessageAttributes"]["f2b.reason"]["StringValue"] for each in fleet.dead_letters())
    assert reasons == ["bad_address", "not_json"]

    # The same event again, warm and cold: Lambda may deliver it twice.
    assert failures(function.handle(event, Context())) == []
    other = Function()
    assert failures(other.handle(event, Context())) == []
    assert other._kept
    other._kept.opened.close()
    assert stored(fleet) == before
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(line["cold"], line["messages"], line["messages_returned"]) for line in lines] == [
        (True, 102, 0),
        (False, 102, 0),
        (True, 102, 0),
    ]
    assert (lines[0]["infractions_judged"], lines[0]["refused"]) == (400, 2)


def test_an_outage_of_the_ledger_gives_back_exactly_what_was_not_judged(
    fleet: Fleet, function: Function, local_aws: LocalAws
) -> None:
    first = hits("203.0.113.1", 3)
    send_bodies(fleet, bodies(first, 3))
    assert failures(function.handle(received(fleet), Context())) == []  # it is warm

    later = hits("203.0.113.2", 3) + hits("203.0.113.3", 1)
    private = hits("10.0.0.1", 3)  # never banned: nothing of it is to be stored
    send_bodies(fleet, [*bodies(later, 1), *bodies(private, 3), "{no json"])
    event = received(fleet)
    for call in ("UpdateItem", "PutItem", "BatchExecuteStatement", "TransactWriteItems"):
        local_aws.edge.fault(f"dynamodb:{call}", "throttle")
    began_s = time.monotonic()

    failed = failures(function.handle(event, Context(8)))

    assert time.monotonic() - began_s < 8
    told_of_later = [each["messageId"] for each in event["Records"] if '"203.0.113.' in each["body"]]
    assert failed == told_of_later
    assert len(fleet.dead_letters()) == 1
    local_aws.edge.clear_faults()
    settle(fleet, event, failed)
    map_events(fleet, function.handle, most=10)
    assert wrongs(fleet, first + later) == []
    assert [each.key for each in fleet.bans()] == ["203.0.113.1", "203.0.113.2"]


def test_a_ledger_that_does_not_answer_holds_no_invocation_beyond_its_time(
    fleet: Fleet, function: Function, local_aws: LocalAws
) -> None:
    infractions = hits("203.0.113.1", 3)
    send_bodies(fleet, bodies(infractions, 3))
    event = received(fleet)
    local_aws.edge.fault("dynamodb:*", "delay", delay_s=30)
    for _ in range(2):  # cold, when it is opened, and once more
        context = Context(2)
        assert failures(function.handle(event, context)) == [event["Records"][0]["messageId"]]
        assert context.get_remaining_time_in_millis() > 0

    local_aws.edge.clear_faults()
    assert failures(function.handle(event, Context())) == []
    context = Context(2)
    local_aws.edge.fault("dynamodb:*", "delay", delay_s=30)
    send_bodies(fleet, bodies(more := hits("203.0.113.2", 3), 3))
    event = received(fleet)
    assert len(failures(function.handle(event, context))) == 1  # warm
    assert context.get_remaining_time_in_millis() > 0
    local_aws.edge.clear_faults()

    # Whoever was given up calls no more: its call gives up after five seconds, and would be tried again.
    calls = local_aws.edge.calls()
    time.sleep(6)
    assert local_aws.edge.calls() == calls
    assert failures(function.handle(event, Context())) == []
    assert wrongs(fleet, infractions + more) == []


def test_a_container_that_was_frozen_heeds_what_people_did_meanwhile(fleet: Fleet, function: Function) -> None:
    banned = hits("203.0.113.1", 3)
    send_bodies(fleet, bodies(banned, 3))
    assert failures(function.handle(received(fleet), Context())) == []

    done = CliRunner().invoke(main, ["allow", "add", "203.0.113.2", "--table", NAME, "--comment", "a test"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["unban", "203.0.113.1", "--table", NAME, "--reason", "a test"])
    assert done.exit_code == 0, done.output
    assert function._kept
    read_s, read_at_s = function._kept.opened.judge._read_at
    function._kept.opened.judge._read_at = read_s, read_at_s - 60  # a minute has passed, by one of the clocks

    time.sleep(1.0)  # what came before it was lifted is spent
    again = hits("203.0.113.1", 3, before_s=0.5)
    send_bodies(fleet, bodies(again + hits("203.0.113.2", 3), 3))
    assert failures(function.handle(received(fleet), Context())) == []

    assert [(each.key, each.start_ms > now_ms() - 2000) for each in fleet.bans()][-1] == ("203.0.113.1", True)
    assert {each.key for each in fleet.bans()} == {"203.0.113.1"}


def test_infractions_in_a_ban_that_the_container_knows_cost_no_write(
    fleet: Fleet, function: Function, local_aws: LocalAws
) -> None:
    first = hits("203.0.113.1", 5)  # a ban, and the first step of its end
    for each in bodies(first, 3):
        send_bodies(fleet, [each])
        assert failures(function.handle(received(fleet), Context())) == []
    local_aws.edge.reset_calls()

    more = hits("203.0.113.1", 20, before_s=3)
    send_bodies(fleet, bodies(more, 2))
    assert failures(function.handle(received(fleet), Context())) == []

    assert {call for call in local_aws.edge.calls() if call.startswith("dynamodb:")} <= {
        "dynamodb:Query",  # of the allowlist and the control
        "dynamodb:BatchGetItem",  # of the ban log: has somebody lifted it?
        "dynamodb:GetItem",
    }
    assert wrongs(fleet, first + more) == []


def test_who_is_killed_after_any_of_its_writes_has_counted_nothing_twice_when_the_event_comes_again(
    fleet: Fleet, function: Function, tmp_path: Path
) -> None:
    del function  # its environment is that of the process
    infractions = [
        *hits("203.0.113.1", 3),  # banned at sight
        *hits("203.0.113.2", 2),  # remembered only
        *hits("203.0.113.3", 3, before_s=3000),  # two bans, of which the first has ended
        *hits("203.0.113.3", 4),
    ]
    send_bodies(fleet, bodies(infractions, 2))
    event = received(fleet)
    (tmp_path / "event.json").write_text(json.dumps(event), "utf-8")

    environment = fleet.environment | {
        "F2B_TABLE": NAME,
        "F2B_CONFIG": str(tmp_path / "f2b.toml"),
        "F2B_MAX_AGE": "0",
        "F2B_LOG_LEVEL": "error",
    }
    del environment["F2B_POLL_S"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.lambda_kills", str(tmp_path / "event.json")],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failed"] == 0
    assert told["deaths"] >= 4
    assert wrongs(fleet, infractions) == []
    assert [each.key for each in fleet.bans()] == ["203.0.113.3", "203.0.113.1", "203.0.113.3"]
    assert len(stored(fleet)["ip#203.0.113.2/32 s#default"]) == 2


def test_the_function_needs_no_right_but_a_workers_to_queue_dead_letters_and_table(
    fleet: Fleet, function: Function, local_aws: LocalAws
) -> None:
    assert fleet.policies
    infractions = hits("203.0.113.1", 3) + hits("203.0.113.2", 1)
    send_bodies(fleet, [*bodies(infractions, 1), "{no json"])

    assert failures(function.handle(received(fleet), Context())) == []

    assert wrongs(fleet, infractions) == []
    assert len(fleet.dead_letters()) == 1
    needed = {action for action, _ in local_aws.edge.needed(fleet.policies.token("judge"))}
    assert {"sqs:SendMessage", "dynamodb:Query", "dynamodb:UpdateItem"} <= needed  # so the policy was asked


def test_lambda_judges_and_one_process_that_only_enforces_are_a_fleet(
    fleet: Fleet, function: Function, tmp_path: Path
) -> None:
    enforcer(fleet, tmp_path / "enforcer.log")
    other = Function()
    infractions = [each for last in range(20) for each in hits(f"203.0.113.{last}", 3)]
    send_bodies(fleet, bodies(infractions, 1))

    turns = [function.handle, other.handle]

    def in_turn(event: Any, context: Any) -> dict[str, Any]:
        turns.reverse()
        return turns[0](event, context)

    map_events(fleet, in_turn, most=10)

    assert wrongs(fleet, infractions) == []
    wanted = {f"203.0.113.{last}/32" for last in range(20)}
    eventually(lambda: fleet.ip_set_entries() == wanted, "all are in the IP set", 30, 0.8)
    assert other._kept
    other._kept.opened.close()
