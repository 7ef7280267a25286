"""What operators do from a shell, on a table and on a state file alike: ban, lift, allow, pause; and its audit."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.tally import Kind, Sheet, hour_of
from tests.integration.acting import IP, banned, ok, outcomes, place, told
from tests.integration.provisioning import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.provisioning import Cloud

__all__ = ["place"]


class TestBan:
    def test_an_address_is_banned_for_its_time_until_it_is_lifted(self) -> None:
        now_s = SystemClock().now_ms() / 1000
        (row,) = told("ban", IP, "--for", "1h", "--reason", "scans")["outcomes"]
        assert (row["ip"], row["jail"], row["outcome"]) == (IP, "manual", "banned")
        assert abs(row["until"] - now_s - 3600) < 60
        (shown,) = told("list")["bans"]
        assert (shown["ip"], shown["jail"], shown["by"], shown["count"]) == (IP, "manual", "cli", 1)
        assert f"{IP} is banned in jail manual until" in ok("banned", IP).stdout
        assert outcomes("unban", IP, "--reason", "a customer") == {IP: "lifted"}
        assert ok("banned", IP, code=1).stdout == f"{IP} is not banned\n"
        assert banned() == set()

    def test_who_did_what_and_why_is_in_the_audit_and_in_explain(self, place: str) -> None:
        ok("ban", IP, "--reason", "scans")
        ok("unban", IP, "--reason", "a customer")
        lift, ban = told("audit")["acts"]
        assert [(each["verb"], each["what"], each["reason"]) for each in (ban, lift)] == [
            ("ban", [IP], "scans"),
            ("unban", [IP], "a customer"),
        ]
        assert ("arn:aws:" if place == "table" else "@") in ban["by"]
        (found,) = told("explain", IP)["jails"]
        assert [each["id"] for each in found["acts"]] == [lift["id"], ban["id"]]
        assert "by hand" in ok("explain", IP).stdout
        assert told("audit", "--ip", IP, "--verb", "ban")["acts"] == [ban]
        assert told("audit", "--limit", "1")["acts"] == [lift]

    @pytest.mark.parametrize("days", [400, 30])
    def test_what_is_done_is_remembered_for_the_days_that_are_set(
        self, place: str, cloud: Cloud, tmp_path: Path, days: int
    ) -> None:
        now_ms = SystemClock().now_ms()
        ok("ban", IP, *(() if days == 400 else ("--audit-days", str(days))))
        (act,) = told("audit")["acts"]
        if place == "table":
            month = {":pk": {"S": f"audit#{act['time_at'][:7]}"}}
            (item,) = cloud.dynamodb.query(
                TableName="f2b", KeyConditionExpression="pk = :pk", ExpressionAttributeValues=month
            )["Items"]
            kept_ms = int(item["ttl"]["N"]) * 1000
        else:
            with closing(sqlite3.connect(tmp_path / "f2b.db")) as file:
                ((day,),) = file.execute("SELECT kept_until_day FROM acts").fetchall()
            kept_ms = day * DAY_MS
        assert abs(kept_ms - now_ms - days * DAY_MS) <= DAY_MS
        assert run("ban", IP, "--audit-days", "0").exit_code == 2

    def test_without_a_time_a_ban_lasts_as_long_as_the_jails(self) -> None:
        now_s = SystemClock().now_ms() / 1000
        (row,) = told("ban", IP, "--jail", "login", "--config", "f2b.toml")["outcomes"]
        assert abs(row["until"] - now_s - 7200) < 60

    def test_for_ever_is_null(self) -> None:
        assert told("ban", IP, "--forever")["outcomes"][0]["until"] is None
        assert told("list")["bans"][0]["until"] is None

    def test_an_ipv6_address_is_banned_as_it_is_judged(self) -> None:
        assert outcomes("ban", "2001:db8:1:2::7") == {"2001:db8:1:2::/64": "banned"}
        assert ok("banned", "2001:db8:1:2::8", "-q").stdout == ""
        assert outcomes("unban", "2001:db8:1:2::9") == {"2001:db8:1:2::/64": "lifted"}

    def test_addresses_come_from_a_file_or_a_pipe_too(self, tmp_path: Path) -> None:
        (tmp_path / "list").write_text("203.0.113.1  # the first\n\n# none\n203.0.113.2\n")
        assert outcomes("ban", IP, "-f", "list") == dict.fromkeys((IP, "203.0.113.1", "203.0.113.2"), "banned")
        assert outcomes("unban", "-f", "-", text="203.0.113.1\n") == {"203.0.113.1": "lifted"}
        assert banned() == {IP, "203.0.113.2"}

    def test_a_dry_run_says_what_would_be_done_and_does_nothing(self) -> None:
        assert outcomes("ban", IP, "10.0.0.1", "--dry-run", code=1) == {
            IP: "would be banned",
            "10.0.0.1": "refused",
        }
        assert banned() == set()
        ok("ban", IP)
        assert outcomes("unban", IP, "--dry-run") == {IP: "would be lifted"}
        assert banned() == {IP}
        assert len(told("audit")["acts"]) == 1

    @pytest.mark.parametrize(
        ("network", "why"),
        [
            ("10.1.2.3", "10.0.0.0/8 is never banned"),
            ("192.168.0.0/24", "192.168.0.0/16 is never banned"),
            ("::1", "is never banned"),
            ("198.51.100.7", "ignoreip of the file has 198.51.100.0/24"),
            ("192.0.2.0/24", "the allowlist has 192.0.2.9"),
            ("203.0.0.0/15", "wider than /16: say --yes"),
            ("2001:db8::/31", "wider than /32: say --yes"),
            ("0.0.0.0/0", "that is everybody"),
            ("nobody", "nobody"),
        ],
    )
    def test_who_must_not_be_banned_is_refused_with_the_reason_and_the_others_are_banned(
        self, network: str, why: str
    ) -> None:
        ok("allow", "add", "192.0.2.9")
        answer = ok("ban", network, IP, "--config", "f2b.toml", "-o", "ndjson", code=1)
        rows = [json.loads(line) for line in answer.stdout.splitlines()]
        assert [(each["outcome"], each["ip"] == IP) for each in rows] == [("refused", False), ("banned", True)]
        assert why in rows[0]["why"]
        assert rows[0]["why"] in answer.stderr
        assert banned() == {IP}

    def test_a_wide_network_is_banned_when_somebody_says_yes(self) -> None:
        assert outcomes("ban", "203.0.0.0/15", "--yes") == {"203.0.0.0/15": "banned"}
        assert "is banned as 203.0.0.0/15" in ok("banned", IP).stdout

    @pytest.mark.parametrize(
        "wrong",
        [
            [],
            [IP, "--for", "1h", "--forever"],
            [IP, "--for", "0"],
            [IP, "--jail", "no such/jail"],
            [IP, "--blocklist", "nowhere", "--config", "f2b.toml"],
            [IP, "--wait", "1s"],
            [IP, "--reason", "x" * 1001],
        ],
    )
    def test_wrong_usage_ends_with_2_and_bans_nobody(self, wrong: list[str]) -> None:
        assert run("ban", *wrong).exit_code == 2
        assert banned() == set()

    def test_a_ban_is_enforced_where_it_says(self) -> None:
        ok("ban", IP, "--blocklist", "captcha", "--blocklist", "block")
        assert told("list")["bans"][0]["blocklists"] == ["captcha", "block"]


class TestUnban:
    def test_a_lift_of_the_wide_ban_leaves_the_narrow_one_and_the_other_way_round(self) -> None:
        ok("ban", IP, "203.0.113.0/24")
        answer = ok("unban", IP)
        assert "is still banned as 203.0.113.0/24 in jail manual" in answer.stderr
        assert banned() == {"203.0.113.0/24"}
        ok("ban", IP)
        ok("unban", "203.0.113.0/24")
        assert banned() == {IP}

    def test_it_is_lifted_in_all_jails_or_in_one(self) -> None:
        for jail in ("login", "ssh", "admin"):
            ok("ban", IP, "--jail", jail)
        assert [each["jail"] for each in told("unban", IP, "--jail", "ssh")["outcomes"]] == ["ssh"]
        assert sorted(each["jail"] for each in told("unban", IP)["outcomes"] if each["outcome"] == "lifted") == [
            "admin",
            "login",
        ]

    def test_the_next_ban_counts_as_one_more_unless_all_is_forgotten(self) -> None:
        ok("ban", IP)
        ok("unban", IP)
        ok("ban", IP)
        assert told("list")["bans"][0]["count"] == 2
        ok("unban", IP, "--forget")
        ok("ban", IP)
        assert told("list")["bans"][0]["count"] == 1

    def test_nobody_is_lifted_where_nobody_is_banned(self) -> None:
        assert outcomes("unban", IP) == {IP: "nothing"}
        assert outcomes("unban", IP, "--report-absent", code=1) == {IP: "nothing"}

    @pytest.mark.parametrize(
        ("which", "left"),
        [
            (["--jail", "login"], {"203.0.113.1", "192.0.2.1"}),
            (["--range", "203.0.113.0/24"], {"192.0.2.1"}),
            (["--by", "cli"], set()),
            (["--by", "judge"], {"203.0.113.1", "203.0.113.2", "192.0.2.1"}),
            (["--all"], set()),
        ],
    )
    def test_many_are_lifted_at_once_when_somebody_says_yes(self, which: list[str], left: set[str]) -> None:
        ok("ban", "203.0.113.1", "192.0.2.1")
        ok("ban", "203.0.113.2", "--jail", "login")
        if len(left) < 3:
            assert "say --yes" in ok("unban", *which, code=2).stderr
        assert len(banned()) == 3
        ok("unban", *which, "--yes")
        assert banned() == left

    @pytest.mark.parametrize("wrong", [[], [IP, "--all"], [IP, "--by", "cli"], [IP, "--wait", "1s"]])
    def test_wrong_usage_ends_with_2(self, wrong: list[str]) -> None:
        assert run("unban", *wrong).exit_code == 2


class TestAllow:
    def test_an_entry_is_listed_with_its_end_comment_and_who_and_can_be_removed(self, place: str) -> None:
        ok("allow", "add", "192.0.2.0/28", "--for", "30d", "--comment", "office")
        (entry,) = told("allow", "list")["entries"]
        assert (entry["network"], entry["from"], entry["comment"]) == ("192.0.2.0/28", "ledger", "office")
        assert ("arn:aws:" if place == "table" else "@") in entry["by"]
        assert round((entry["until"] - entry["added"]) * 1000) == 30 * DAY_MS
        assert outcomes("allow", "remove", "192.0.2.0/28", "192.0.2.9", code=1) == {
            "192.0.2.0/28": "removed",
            "192.0.2.9": "absent",
        }
        assert told("allow", "list")["entries"] == []
        assert [each["verb"] for each in told("audit")["acts"]] == ["disallow", "allow"]

    def test_what_it_covers_is_lifted_and_said_and_what_only_touches_it_stays(self) -> None:
        ok("ban", "203.0.113.1", "203.0.113.2", "203.0.113.0/24", "192.0.2.1")
        assert outcomes("allow", "add", "203.0.113.0/30") == {
            "203.0.113.0/30": "allowed",
            "203.0.113.1": "lifted",
            "203.0.113.2": "lifted",
        }
        assert banned() == {"203.0.113.0/24", "192.0.2.1"}

    def test_the_file_and_what_is_built_in_are_shown_too(self) -> None:
        ok("allow", "add", "192.0.2.9")
        found = told("allow", "list", "--config", "f2b.toml")["entries"]
        assert [(each["network"], each["from"]) for each in found] == [
            ("192.0.2.9", "ledger"),
            ("198.51.100.0/24", "file"),
        ]

    @pytest.mark.parametrize(
        ("ip", "source"), [("192.0.2.9", "ledger"), ("198.51.100.1", "file"), ("10.0.0.1", "built in"), (IP, None)]
    )
    def test_a_check_says_by_which_entry_and_answers_with_its_exit_code(self, ip: str, source: str | None) -> None:
        ok("allow", "add", "192.0.2.9")
        found = told("allow", "check", ip, "--config", "f2b.toml", code=0 if source else 1)["entries"]
        assert [each["from"] for each in found] == ([source] if source else [])

    def test_an_allowed_address_is_explained_as_one(self) -> None:
        ok("ban", IP)
        ok("allow", "add", "203.0.113.0/24")
        (found,) = told("explain", IP)["jails"]
        assert (found["status"], found["exemption"]["rule"]) == ("never_banned", "allowlist")

    def test_a_dry_run_adds_nothing(self) -> None:
        ok("ban", IP)
        assert [each["outcome"] for each in told("allow", "add", IP, "--dry-run")["outcomes"]] == [
            "would be allowed",
            "would be lifted",
        ]
        assert banned() == {IP}
        assert told("allow", "list")["entries"] == []


class TestControl:
    def test_a_pause_has_an_end_and_ends_by_resume(self) -> None:
        paused = told("pause", "--for", "30m", "--blocklist", "captcha", "--reason", "rules")
        assert paused["blocklist"] == "captcha"
        assert paused["until"] is not None
        assert "paused all blocklists until f2b resume" in ok("pause").stdout
        assert told("resume", "--blocklist", "captcha")["was_paused"] is True
        assert told("resume", "--blocklist", "captcha", code=1)["was_paused"] is False
        assert [each["verb"] for each in told("audit")["acts"]][-3:] == ["resume", "pause", "pause"]

    def test_each_reload_is_a_generation_of_its_own(self) -> None:
        assert [told("reload")["generation"] for _ in range(2)] == [1, 2]


class TestImport:
    def test_a_list_is_banned_until_its_own_ends_or_for_the_time_that_is_said(self, tmp_path: Path) -> None:
        now_s = SystemClock().now_ms() / 1000
        (tmp_path / "bans.csv").write_text("ip,until,jail\n203.0.113.1,4102444800,login\n203.0.113.0/24,,\n")
        assert told("import", "bans.csv", "--for", "2h")["banned"] == 2
        found = {each["ip"]: each for each in told("list")["bans"]}
        assert {each["by"] for each in found.values()} == {"import"}
        assert (found["203.0.113.1"]["jail"], found["203.0.113.1"]["until"]) == ("login", 4102444800)
        assert (found["203.0.113.0/24"]["jail"]) == "import"
        assert abs(found["203.0.113.0/24"]["until"] - now_s - 7200) < 60

    def test_what_f2b_ban_refuses_is_refused_and_the_rest_is_banned(self) -> None:
        lines = "10.0.0.1\n203.0.0.0/8\nnobody\n198.51.100.1\n203.0.113.1\n"
        answer = told("import", "-", "--config", "f2b.toml", text=lines, code=1)
        assert [each["ip"] for each in answer["refused"]] == ["10.0.0.1", "203.0.0.0/8", "nobody", "198.51.100.1"]
        assert banned() == {"203.0.113.1"}

    def test_a_named_list_replaces_itself_and_leaves_what_others_banned(self) -> None:
        ok("ban", "203.0.113.9")
        assert told("import", "-", "--list", "drop", text="203.0.113.1\n203.0.113.2\n")["banned"] == 2
        answer = told("import", "-", "--list", "drop", text="203.0.113.2\n203.0.113.3\n")
        assert (answer["banned"], answer["lifted"]) == (2, 1)
        assert banned() == {"203.0.113.2", "203.0.113.3", "203.0.113.9"}
        (act, *_) = told("audit", "--verb", "import")["acts"]
        assert (act["jail"], act["count"]) == ("drop", 3)

    def test_an_empty_list_lifts_nothing_unless_somebody_says_yes(self) -> None:
        told("import", "-", "--list", "drop", text="203.0.113.1\n")
        assert "would go free: say --yes" in ok("import", "-", "--list", "drop", text="\n", code=1).stderr
        assert banned() == {"203.0.113.1"}
        assert told("import", "-", "--list", "drop", "--yes", text="\n")["lifted"] == 1

    def test_a_dry_run_says_how_many_and_does_nothing(self) -> None:
        assert told("import", "-", "--dry-run", text="203.0.113.1\n") | {"act": None} == {
            "act": None,
            "banned": 1,
            "lifted": 0,
            "failed": 0,
            "refused": [],
        }
        assert banned() == set()

    def test_what_a_list_prints_can_be_imported_again(self, tmp_path: Path) -> None:
        ok("ban", "203.0.113.1", "--forever")
        ok("ban", "203.0.113.2", "--for", "1h", "--jail", "login")
        (tmp_path / "bans.ndjson").write_text(ok("list", "-o", "ndjson").stdout)
        before = {each["ip"]: each["until"] for each in told("list")["bans"]}
        ok("unban", "--all", "--yes")
        ok("import", "bans.ndjson")
        assert {each["ip"]: each["until"] for each in told("list")["bans"]} == before

    @pytest.mark.parametrize(
        "wrong", [["--list", "a", "--jail", "b"], ["--list", "no/name"], ["--from", "fail2ban"]]
    )
    def test_wrong_usage_ends_with_2(self, wrong: list[str]) -> None:
        assert run("import", "-", *wrong).exit_code == 2


class TestDeadLetters:
    @pytest.fixture(autouse=True)
    def letters(self, place: str, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two dead letters of different reasons."""
        for body, reason in (('{"ip": "203.0.113.7"}', "bad_time"), ("[]", "no_ip")):
            if place == "table":
                monkeypatch.setenv("F2B_QUEUE", "f2b")
                told: Any = {"f2b.reason": {"DataType": "String", "StringValue": reason}}
                url = cloud.sqs.get_queue_url(QueueName="f2b-dead")["QueueUrl"]
                cloud.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=told)
            else:
                with closing(sqlite3.connect(tmp_path / "f2b.db")) as file, file:
                    row = (1_700_000_000_000, reason, "why", "m", body)
                    columns = "at_ms, reason, detail, message_id, body"
                    file.execute(f"INSERT INTO dead_letters ({columns}) VALUES (?, ?, ?, ?, ?)", row)

    def test_they_are_listed_with_their_reasons_shown_put_back_and_dropped(self) -> None:
        found = told("dlq", "list")
        assert found["reasons"] == {"bad_time": 1, "no_ip": 1}
        first = next(each for each in found["letters"] if each["reason"] == "bad_time")
        assert first["body"] in ok("dlq", "show", first["id"]).stdout
        assert told("dlq", "show", first["id"])["letters"] == [first]
        assert [each["id"] for each in told("dlq", "retry", first["id"])["letters"]] == [first["id"]]
        queue = told("status", code=1)["queue"]
        queue.pop("oldest_age")
        assert queue == {"waiting": 1, "in_flight": 0, "delayed": 0, "dead_letters": 1}
        assert "say --yes" in ok("dlq", "drop", "--all", code=2).stderr
        assert "1 dropped" in ok("dlq", "drop", "--reason", "no_ip", "--yes").stderr
        assert told("dlq", "list") == {"letters": [], "reasons": {}}
        acts = told("audit")["acts"]
        assert [(each["verb"], each["count"]) for each in acts] == [("dlq-drop", 1), ("dlq-retry", 1)]
        assert (acts[1]["what"], acts[0]["what"] == [first["id"]]) == ([first["id"]], False)
        assert all(each["by"] for each in acts)

    def test_where_none_is_chosen_nothing_is_remembered(self) -> None:
        assert "0 dropped" in ok("dlq", "drop", "--reason", "envelope", "--yes").stderr
        assert told("audit")["acts"] == []

    def test_one_that_is_not_there_is_named(self) -> None:
        assert "nowhere: there is no such dead letter" in ok("dlq", "show", "nowhere", code=1).stderr

    @pytest.mark.parametrize(
        "wrong", [["retry"], ["drop", "1"], ["retry", "--all"], ["drop", "--all", "--reason", "x"]]
    )
    def test_which_are_meant_has_to_be_said(self, wrong: list[str]) -> None:
        assert run("dlq", *wrong).exit_code == 2


class TestExportAndStats:
    @pytest.fixture(autouse=True)
    def bans(self, place: str) -> None:  # noqa: ARG002 - the ledger comes first
        ok("ban", "203.0.113.0/25", "203.0.113.128/25", "2001:db8::1", "--for", "1h")
        ok("ban", "192.0.2.1", "--jail", "login", "--blocklist", "captcha", "--forever")

    def test_the_bans_are_exported_as_they_are_asked_for(self) -> None:
        assert ok("export").stdout.split() == ["192.0.2.1", "203.0.113.0/25", "203.0.113.128/25", "2001:db8::/64"]
        assert ok("export", "--aggregate", "--family", "4").stdout.split() == ["192.0.2.1", "203.0.113.0/24"]
        assert ok("export", "--jail", "login", "--format", "nginx").stdout == "deny 192.0.2.1/32;\n"
        assert ok("export", "--blocklist", "captcha").stdout == "192.0.2.1\n"
        assert (
            ok("export", "--format", "csv", "--jail", "login").stdout == "network,until,until_at\n192.0.2.1/32,,\n"
        )
        assert run("export", "--aggregate", "--format", "nft").exit_code == 2

    def test_whom_the_allowlist_has_is_not_exported(self) -> None:
        ok("allow", "add", "203.0.113.7")
        assert "203.0.113.0/25" not in ok("export").stdout.split()

    def test_the_bans_are_counted_by_what_is_asked_for(self) -> None:
        def counted(by: str) -> dict[str, int]:
            return {each["name"]: each["bans"] for each in told("stats", "--by", by)["groups"]}

        assert counted("jail") == {"manual": 3, "login": 1}
        assert counted("network") == {"203.0.113.0/24": 2, "2001:db8::/48": 1, "192.0.2.0/24": 1}
        assert counted("family") == {"IPv4": 3, "IPv6": 1}
        assert counted("blocklist") == {"block": 3, "captcha": 1}
        assert sum(counted("hour").values()) == told("stats")["total"] == 4
        assert told("stats", "--top", "1", "--since", "1h")["groups"] == [{"name": "manual", "bans": 3}]
        assert "manual" in ok("stats").stdout

    def test_what_happened_is_counted_by_step(self, place: str, cloud: Cloud, tmp_path: Path) -> None:
        assert {each["bans"] for each in told("stats", "--over", "1h")["steps"]} == {0}, "no worker counted"
        now_ms = SystemClock().now_ms()
        sheet = Sheet(hour_of(now_ms - 30 * MINUTE_MS))
        sheet.add(Kind.INFRACTIONS, "login", now_ms - 30 * MINUTE_MS, 7)
        if place == "table":
            DynamoTally(cloud.dynamodb, "f2b").note("host/1/c0ffee", sheet)
        else:
            with closing(sqlite3.connect(tmp_path / "f2b.db")) as file, file:
                values = (sheet.hour_ms, "host/1/c0ffee", sheet.as_text())
                file.execute("INSERT INTO tally VALUES (?, ?, ?)", values)
        over = told("stats", "--over", "1h")
        assert (len(over["steps"]), over["step_s"]) == (61, 60)
        assert sum(each["infractions"] for each in over["steps"]) == 7
        assert sum(over["kinds"]["infractions"]["login"]) == 7
        lines = ok("stats", "--over", "24h").stdout.splitlines()
        assert lines[0].split() == ["BEGIN", "INFRACTIONS", "BANS", "UNBANS"]
        assert lines[-1].split() == ["all", "7", "0", "0"]
        assert sum("█" in line for line in lines) == 1
        for nothing_of_it in (
            ("--since", "1h"),
            ("--by", "network"),
            ("--top", "3"),
            ("--over", "8d"),
            ("--over", "0"),
        ):
            assert run("stats", "--over", "24h", *nothing_of_it).exit_code == 2, nothing_of_it
