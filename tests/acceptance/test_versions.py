"""Today's worker on a table that a newer f2b has marked, and on one of before there were marks."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import BIN, NAME, eventually
from tests.acceptance.attacks import report, send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet

IP = "203.0.113.7"
KEY = {"pk": {"S": "meta"}, "sk": {"S": "schema"}}
ON_THE_TABLE = ("--queue", NAME, "--table", NAME, "--ip-set", NAME)


def mark(fleet: Fleet, version: int, readable_from: int) -> None:
    numbers = {"version": {"N": str(version)}, "readable_from": {"N": str(readable_from)}}
    fleet.dynamodb.put_item(TableName=NAME, Item=KEY | numbers)


def marked(fleet: Fleet) -> dict[str, Any] | None:
    item: dict[str, Any] | None = fleet.dynamodb.get_item(TableName=NAME, Key=KEY).get("Item")
    return item and {name: int(item[name]["N"]) for name in ("version", "readable_from")}


def items(fleet: Fleet) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fleet.dynamodb.scan(TableName=NAME, ConsistentRead=True)["Items"]
    return found


def program_of(arguments: tuple[str, ...]) -> str:
    return "f2b-worker" if arguments[0].startswith("-") else "f2b"


def refused(fleet: Fleet, *arguments: str) -> str:
    done = subprocess.run(
        [BIN / program_of(arguments), *arguments],
        env=fleet.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    *_, line = done.stderr.splitlines()
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    return line


@pytest.mark.parametrize(
    "arguments",
    [
        (*ON_THE_TABLE, "--processes", "1"),
        (*ON_THE_TABLE, "--processes", "2"),
        ("list", "--table", NAME),
        ("explain", "--table", NAME, IP),
        ("release", "--table", NAME),
    ],
    ids=["worker", "pool", "list", "explain", "release"],
)
def test_a_table_of_a_newer_f2b_is_refused_in_one_line_and_left_as_it_is(
    arguments: tuple[str, ...], fleet: Fleet
) -> None:
    mark(fleet, 7, 7)
    before = items(fleet)
    send_bodies(fleet, report(IP, 3))
    line = refused(fleet, *arguments)
    told = f"a newer f2b wrote table {NAME} in format 7; this f2b knows format 2: update f2b"
    assert line == f"{program_of(arguments)}: {told}"
    assert items(fleet) == before
    assert fleet.queued() > 0, "the infractions wait for a worker that may judge them"


def test_a_mark_that_cannot_be_read_is_refused_in_one_line(fleet: Fleet) -> None:
    fleet.dynamodb.put_item(TableName=NAME, Item=KEY | {"version": {"S": "new"}})
    assert "the item pk=meta sk=schema" in refused(fleet, *ON_THE_TABLE)


def test_a_table_of_before_the_ban_log_is_refused_in_one_line_and_left_as_it_is(fleet: Fleet) -> None:
    assert marked(fleet) == {"version": 2, "readable_from": 2}, "provision marks it"
    mark(fleet, 1, 1)
    line = f"f2b-worker: an older f2b wrote table {NAME} in format 1; this f2b knows format 2: "
    assert refused(fleet, *ON_THE_TABLE).startswith(line)
    fleet.dynamodb.delete_item(TableName=NAME, Key=KEY)
    line = f"f2b-worker: table {NAME} does not say its format, and this f2b knows format 2 only: run"
    assert refused(fleet, *ON_THE_TABLE).startswith(line)
    assert marked(fleet) is None


def test_where_the_mark_lets_it_an_older_worker_judges_and_leaves_what_it_does_not_know(
    fleet: Fleet, tmp_path: Path
) -> None:
    mark(fleet, 7, 2)
    offender = {"pk": {"S": f"ip#{IP}/32"}, "sk": {"S": "s#default"}}
    unknown = [
        {"pk": {"S": "feed#000001"}, "sk": {"S": "7"}, "packed": {"S": "of version 7"}},
        {"pk": {"S": "enforcer#us-east-1"}, "sk": {"S": "of-version-7#x"}, "x": {"N": "1"}},
        offender | {"of_version_7": {"S": "kept"}, "ttl": {"N": "4000000000"}},
    ]
    for each in unknown:
        fleet.dynamodb.put_item(TableName=NAME, Item=each)
    fleet.start_worker(log=tmp_path / "log")
    send_bodies(fleet, report(IP, 3))

    eventually(lambda: f"{IP}/32" in fleet.ip_set_entries(), "it is enforced", 40, 0.6)

    fleet.wait_until_judged()
    (ban,) = fleet.bans()
    assert (ban.key, ban.count) == (IP, 1)
    assert marked(fleet) == {"version": 7, "readable_from": 2}
    assert all(each in items(fleet) for each in unknown[:2])
    assert fleet.dynamodb.get_item(TableName=NAME, Key=offender)["Item"]["of_version_7"] == {"S": "kept"}
    fleet.stop()
    assert "part_died" not in (tmp_path / "log").read_text()
