"""One item of each kind that cannot be read, and answers that are not AWS's: real workers go on for all others."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import BIN, NAME, Fleet, eventually, free_port, get
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.dynamodb.zipped import unzipped, zipped
from tests.acceptance.attacks import now_ms, report, send_bodies
from tests.log_lines import logged

if TYPE_CHECKING:
    from pathlib import Path

    from localstack.local_aws import LocalAws

BANNED, OFFENDER, OTHER, FOREIGN = "203.0.113.50", "203.0.113.51", "203.0.113.60", "192.0.2.1"
KINDS = {"log", "offender", "foreign", "networks", "surge", "swept", "lease"}


def ip_set(fleet: Fleet, family: int = 4) -> dict[str, Any]:
    summaries = fleet.waf.list_ip_sets(Scope="REGIONAL")["IPSets"]
    return next(dict(each) for each in summaries if each["Name"].endswith(f"ipv{family}"))


def put_into_ip_set(fleet: Fleet, *entries: str) -> None:
    """Put entries in by hand, as somebody else."""
    found = ip_set(fleet)
    where: Any = {"Name": found["Name"], "Id": found["Id"], "Scope": "REGIONAL"}
    answer = fleet.waf.get_ip_set(**where)
    held = sorted({*answer["IPSet"]["Addresses"], *entries})
    fleet.waf.update_ip_set(**where, Addresses=held, LockToken=answer["LockToken"])


def items(fleet: Fleet) -> list[dict[str, Any]]:
    return [dict(each) for each in fleet.dynamodb.scan(TableName=NAME, ConsistentRead=True)["Items"]]


def without_count(packed: bytes) -> bytes:
    """Break what a log item tells of one of its bans."""
    content = json.loads(unzipped(packed[1:]))
    for place, key in enumerate(content["key"]):
        if key == f"{BANNED}/32":
            content["count"][place] = "many"
    return packed[:1] + zipped(json.dumps(content))


def break_items(fleet: Fleet) -> None:
    """Break one item of each kind, as a newer or broken writer may leave it."""
    notebook = DynamoNotebook(fleet.dynamodb, NAME, region="us-east-1")
    notebook.note_surge(now_ms() - 60_000)
    notebook.note_release(now_ms() - 30_000)
    arn = ip_set(fleet)["ARN"]
    notebook.note_swept({arn: now_ms()})
    notebook.note_entries("networks", arn, frozenset({"198.51.100.0/24"}))
    for item in items(fleet):
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if sk == "log" and "c" in item:
            item["c"] = {"B": without_count(item["c"]["B"])}
        elif pk.endswith(f"{BANNED}/32") and sk == "s#default":
            del item["ban"]["M"]["until_ms"]
        elif pk.endswith(f"{OFFENDER}/32") and sk == "s#default":
            item["hits"] = {"S": "nothing"}
        elif sk.startswith(("foreign#", "networks#")):
            item["entries"] = {"B": item["entries"]["B"][:5]}
        elif sk == "surge":
            item["released_ms"] = {"N": "9" * 38}
        elif sk == "swept":
            item["swept_ms"] = {"L": []}
        elif sk == "lease":
            del item["version"]
        else:
            continue
        fleet.dynamodb.put_item(TableName=NAME, Item=item)


def command(fleet: Fleet, *arguments: str) -> str:
    """Ask the real command."""
    done = subprocess.run(
        [str(BIN / "f2b"), *arguments, "--table", NAME],
        env=fleet.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("how", ["restarted", "taken over"])
def test_one_unreadable_item_of_each_kind_costs_nobody_else_anything(
    fleet: Fleet, tmp_path: Path, how: str
) -> None:
    put_into_ip_set(fleet, f"{FOREIGN}/32")
    first = fleet.start_worker()
    send_bodies(fleet, [*report(BANNED, 5), *report(OFFENDER, 2)])
    before = {f"{ip}/32" for ip in (BANNED, FOREIGN)}
    eventually(lambda: fleet.ip_set_entries() == before, "the bans are in their IP set", 30, 0.6)
    # Somebody else's entry is banned, too: only the note tells whose it is.
    send_bodies(fleet, report(FOREIGN, 5))
    fleet.wait_until_judged()
    log, port = tmp_path / "log", free_port()
    options = ("--metrics-port", str(port), "--max-new-bans-per-minute", "100")
    if how == "taken over":
        second = fleet.start_worker(*options, log=log)
        eventually(lambda: get(f"http://127.0.0.1:{port}/healthz")[0] == 200, "the second one stands by", 30)
        first.kill()
        first.wait()
        break_items(fleet)
    else:
        first.terminate()
        assert first.wait(15) == 0
        break_items(fleet)
        second = fleet.start_worker(*options, log=log)

    def is_enforced() -> bool:
        send_bodies(fleet, report(OTHER, 5))  # again: a poll of the killed one may have taken the first
        return fleet.ip_set_entries() >= before | {f"{OTHER}/32"}

    eventually(is_enforced, "others are banned, and nothing is lifted", 40, 1)
    send_bodies(fleet, report(OFFENDER, 5))
    fleet.wait_until_judged()
    letters = fleet.dead_letters()
    reasons = {each["MessageAttributes"]["f2b.reason"]["StringValue"] for each in letters}
    details = {each["MessageAttributes"]["f2b.detail"]["StringValue"] for each in letters}
    assert reasons == {"state_unreadable"}
    assert all(f"ip#{OFFENDER}/32 s#default: hits cannot be read" in each for each in details)
    assert second.poll() is None
    status, answer = get(f"http://127.0.0.1:{port}/readyz")
    assert (status, answer.startswith("ok, but ")) == (200, True)
    metrics = get(f"http://127.0.0.1:{port}/metrics")[1]
    assert 'f2b_bans_unreadable{region="us-east-1"} 1.0' in metrics
    assert 'f2b_unreadable_total{kind="offender"} 1.0' in metrics
    fleet.stop()
    told = logged(log, "unreadable")
    assert {each["kind"] for each in told} >= KINDS - {"lease"}
    assert len({(each["item"], each["attribute"]) for each in told}) == len(told), "each is named once"


def test_commands_name_what_cannot_be_read_and_show_the_rest(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    send_bodies(fleet, [*report(BANNED, 5), *report(OFFENDER, 2), *report(OTHER, 5)])
    eventually(lambda: len(fleet.ip_set_entries()) == 2, "the bans are in their IP set", 30, 0.6)
    fleet.wait_until_judged()
    worker.terminate()
    worker.wait(15)
    break_items(fleet)

    shown = {each["ip"]: each for each in json.loads(command(fleet, "list", "--json"))["bans"]}
    assert shown[BANNED]["state"] == "unreadable"
    assert f"ip#{BANNED}/32 s#default: ban cannot be read" in shown[BANNED]["why"]
    assert shown[OTHER]["count"] == 1
    (told,) = json.loads(command(fleet, "explain", BANNED, "--json"))["jails"]
    assert (told["status"], told["state"]) == ("unreadable", "unreadable")
    (told,) = json.loads(command(fleet, "explain", OFFENDER, "--json"))["jails"]
    assert told["status"] == "unreadable"
    assert "hits cannot be read" in told["unreadable"][0]
    assert "unreadable" in command(fleet, "list", "--ip-set", NAME)
    assert "released" in command(fleet, "release")
    assert "nothing to release" in command(fleet, "release")


ODD = ["[]", "null", "5", '{"Items": 5}', '{"Messages": [5]}', '{"IPSets": [{"Name": 5}], "IPSet": []}', "{}"]


@pytest.mark.parametrize("body", ODD)
def test_an_answer_with_200_in_another_form_ends_nothing(fleet: Fleet, local_aws: LocalAws, body: str) -> None:
    port = free_port()
    worker = fleet.start_worker("--metrics-port", str(port))
    edge = local_aws.edge
    eventually(lambda: "wafv2:GetIPSet" in edge.calls(), "the worker works", 30)
    for service in ("sqs", "dynamodb", "wafv2"):
        edge.fault(f"{service}:*", "answer", body=body, times=40)

    def met() -> bool:
        return all(each["hits"] > 3 for each in edge.faults() if each["match"] != "wafv2:*")

    eventually(met, "it met them", 40, 0.3)
    edge.clear_faults()
    send_bodies(fleet, report(OTHER, 5))
    eventually(lambda: f"{OTHER}/32" in fleet.ip_set_entries(), "the address is banned", 60, 1)
    assert worker.poll() is None
    assert fleet.dead_letters() == []
    eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "it is ready again", 20)
