"""Lists that come onto the allowlist, on a table and on a state file alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.acting import IP, banned, ok, place, told

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["place"]


def test_a_list_is_allowed_with_its_own_comments_and_ends_and_what_it_covers_is_lifted(
    place: str, tmp_path: Path
) -> None:
    ok("ban", "203.0.113.1", "203.0.113.2", "192.0.2.1")
    (tmp_path / "offices.csv").write_text(
        "ip,comment,until\n203.0.113.0/30,Kyiv,4102444800\n192.0.2.9,,\n2001:db8::1,,2100-01-01T00:00:00Z\n"
    )
    answer = told("allow", "import", "offices.csv", "--for", "2d", "--comment", "of the list")
    act = answer.pop("act")
    assert answer == {"added": 3, "there": 0, "lifted": 2, "failed": 0, "refused": []}
    found = {each["network"]: each for each in told("allow", "list")["entries"]}
    assert {name: (each["comment"], each["until"]) for name, each in found.items() if name != "192.0.2.9"} == {
        "203.0.113.0/30": ("Kyiv", 4102444800),
        "2001:db8::1/128": ("of the list", 4102444800),
    }
    usual = found["192.0.2.9"]
    assert (usual["comment"], round((usual["until"] - usual["added"]) / 60)) == ("of the list", 2880)
    assert ("arn:aws:" if place == "table" else "@") in usual["by"]
    assert banned() == {"192.0.2.1"}
    (allowed,) = told("audit", "--verb", "allow")["acts"]
    assert (allowed["id"], allowed["count"], allowed["reason"]) == (act, 3, "of the list")


def test_a_list_takes_nothing_off_and_cuts_nothing_short() -> None:
    ok("allow", "add", "192.0.2.1", "192.0.2.2", "--comment", "for good")
    ok("allow", "add", "192.0.2.3", "--for", "1h")
    answer = told("allow", "import", "-", "--for", "1d", text="192.0.2.2\n192.0.2.3\n192.0.2.4\n192.0.2.4\n")
    assert (answer["added"], answer["there"]) == (2, 1)
    found = {each["network"]: each for each in told("allow", "list")["entries"]}
    assert [found[f"192.0.2.{last}"]["comment"] for last in (1, 2, 3, 4)] == ["for good"] * 2 + [""] * 2
    assert found["192.0.2.2"]["until"] is None
    assert found["192.0.2.3"]["until"] == found["192.0.2.4"]["until"]
    assert told("allow", "import", "-", text="192.0.2.1\n")["act"] is None


def test_a_list_with_lines_that_nobody_can_read_or_that_are_over_is_allowed_but_for_them() -> None:
    lines = f"ip,until,comment\nnobody,,\n192.0.2.1,1700000000,\n192.0.2.2,,{'x' * 1001}\n192.0.2.3,,\n"
    answer = told("allow", "import", "-", "--from", "csv", text=lines, code=1)
    assert answer["added"] == 1
    assert {each["ip"]: each["why"] for each in answer["refused"]} == {
        "nobody": "'nobody' is no IPv4 or IPv6 address",
        "192.0.2.1": "it is over since 2023-11-14 22:13:20Z",
        "192.0.2.2": "its comment has 1,001 characters: 1,000 are the most",
    }
    shown = ok("allow", "import", "-", text="192.0.2.3\nnobody\n", code=1)
    assert shown.stdout == "0 added, 1 there already, 0 bans lifted, 1 refused\n"
    assert "nobody: 'nobody' is no IPv4 or IPv6 address" in shown.stderr


def test_an_entry_that_cannot_be_stored_or_ends_at_once_is_refused_and_costs_no_other_one() -> None:
    assert "a second or longer" in ok("allow", "import", "-", "--for", "0", text=f"{IP}\n", code=2).stderr
    lines = '{"ip": "192.0.2.1", "comment": "\\ud800"}\n{"ip": "192.0.2.2"}\n'
    answer = told("allow", "import", "-", "--from", "ndjson", text=lines, code=1)
    assert answer["added"] == 1
    assert [each["why"] for each in answer["refused"]] == [
        "its comment is no text: some of its bytes are not UTF-8"
    ]


def test_a_dry_run_of_a_list_says_how_many_and_adds_nothing() -> None:
    ok("ban", IP)
    shown = ok("allow", "import", "-", "--dry-run", text=f"{IP}\n")
    assert shown.stdout == "1 would be added, 0 there already, 1 bans lifted, 0 refused\n"
    assert banned() == {IP}
    assert told("allow", "list")["entries"] == []
