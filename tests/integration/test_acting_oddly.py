"""What operators do from a shell when something is odd: the input, the ledger, the clock, or the moment."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters import aws, clock
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.sqlite.acts import SqliteActs
from f2b_worker.adapters.sqlite.file import open_to_store
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.errors import AccessDenied
from tests.integration.acting import IP, banned, ok, outcomes, place, told
from tests.integration.provisioning import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.provisioning import Cloud

__all__ = ["place"]

LISTS = (["ban", "-f"], ["unban", "-f"], ["allow", "add", "-f"], ["import"])
"""Commands that read a list."""


class TestInput:
    def test_what_is_no_address_steers_no_terminal_and_fills_none(self, tmp_path: Path) -> None:
        (tmp_path / "list").write_text("\x1b[2J\n\x9b31m\n" + "x" * 5000 + "\n203.0.113.1\n")
        for command in LISTS:
            answer = ok(*command, "list", code=1)
            assert not {"\x1b", "\x9b"} & set(answer.output)
            assert max(map(len, answer.output.splitlines())) < 400

    def test_a_file_that_is_no_text_is_named_in_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "list").write_bytes(b"203.0.113.7\n\xff\xfe\n")
        for command in LISTS:
            assert ok(*command, "list", code=3).stderr.startswith("f2b: list: cannot be read: ")
        assert banned() == set()

    @pytest.mark.parametrize(
        "wrong",
        [
            ["ban", IP, "--for", "0.5"],
            ["ban", IP, "--blocklist", "\x1b[2J"],
            ["ban", IP, "--reason", "\udcff"],
            ["ban", IP, "--wait", "1s", "--config", "f2b.toml"],
            ["allow", "add", IP, "--for", "0"],
            ["allow", "add", IP, "--comment", "\udcff"],
            ["allow", "add", IP, "--comment", "x" * 1001],
            ["import", "bans", "--for", "0"],
            ["import", "bans", "--blocklist", "nowhere", "--config", "f2b.toml"],
            ["pause", "--for", "0"],
            ["pause", "--blocklist", "nowhere", "--config", "f2b.toml"],
            ["pause", "--blocklist", "a\x1bb"],
        ],
        ids=str,
    )
    def test_wrong_usage_ends_with_2_and_does_nothing(self, wrong: list[str], tmp_path: Path) -> None:
        (tmp_path / "bans").write_text(f"{IP}\n")
        assert run(*wrong).exit_code == 2
        assert banned() == set()
        assert told("audit")["acts"] == []

    def test_a_list_without_an_address_chooses_no_bans_of_a_jail(self, tmp_path: Path) -> None:
        (tmp_path / "list").write_text("# nobody\n")
        ok("ban", IP)
        for which in ([], ["--jail", "manual"], ["--all"]):
            assert "list names no address" in ok("unban", "-f", "list", *which, "--yes", code=2).stderr
        assert banned() == {IP}

    def test_ipv4_in_the_guise_of_ipv6_is_banned_as_ipv4(self) -> None:
        assert outcomes("ban", "::ffff:203.0.113.9", "::ffff:198.51.100.0/120") == {
            "203.0.113.9": "banned",
            "198.51.100.0/24": "banned",
        }
        assert outcomes("unban", "::ffff:198.51.100.0/120") == {"198.51.100.0/24": "lifted"}

    def test_a_network_of_many_is_allowed_when_somebody_says_yes(self) -> None:
        ok("ban", IP)
        answer = ok("allow", "add", "0.0.0.0/0", "2001::/16", "192.0.2.9", code=1)
        assert "0.0.0.0/0: wider than /16: say --yes" in answer.stderr
        assert "2001::/16: wider than /32: say --yes" in answer.stderr
        assert banned() == {IP}
        assert [each["network"] for each in told("allow", "list")["entries"]] == ["192.0.2.9"]
        assert outcomes("allow", "add", "203.0.0.0/15", "--yes") == {"203.0.0.0/15": "allowed", IP: "lifted"}

    def test_so_it_is_where_a_list_names_it(self, tmp_path: Path) -> None:
        (tmp_path / "list").write_text("0.0.0.0/0\n192.0.2.9\n")
        assert "0.0.0.0/0: wider than /16: say --yes" in ok("allow", "import", "list", code=1).stderr
        assert told("allow", "import", "list", "--yes")["added"] == 1

    def test_a_comment_steers_no_terminal(self) -> None:
        ok("allow", "add", IP, "--comment", "\x1b[2J\nno entry")
        assert len(ok("allow", "list").stdout.splitlines()) == 2
        assert "\x1b" not in ok("allow", "list").stdout + ok("audit").stdout + ok("explain", IP).stdout

    @pytest.mark.parametrize(
        ("form", "text"),
        [
            ("csv", "ip,until\n203.0.113.1," + "1" * 140_000 + "\n"),
            ("csv", "ip,until\n203.0.113.1,soon\n"),
            ("ndjson", '{"ip": "203.0.113.1", "until": 1e300}\n'),
            ("ndjson", '{"ip": "203.0.113.1", "until": ' + "9" * 400 + "}\n"),
            ("crowdsec", "[" * 100_000),
            ("crowdsec", '{"bans": [{"ip": "203.0.113.1"}]}'),
        ],
        ids=["large_field", "no_time", "late", "large_number", "deep", "another_document"],
    )
    def test_a_list_that_cannot_be_read_is_named_in_one_line(self, form: str, text: str) -> None:
        answer = ok("import", "-", "--from", form, text=text, code=3)
        assert answer.stderr.startswith("f2b: ")
        assert len(answer.stderr.splitlines()) == 1

    def test_an_end_after_all_time_is_for_ever(self) -> None:
        row = '{"ip": "203.0.113.1", "until": "9999-12-31T23:59:59-23:00"}\n'
        ok("import", "-", "--from", "ndjson", text=row)
        assert [each["until"] for each in told("list")["bans"]] == [None]

    def test_a_database_of_fail2ban_with_a_ban_without_a_time_is_named_in_one_line(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "fail2ban.sqlite3")) as file, file:
            file.execute("CREATE TABLE bips (ip, jail, timeofban, bantime)")
            file.execute("INSERT INTO bips VALUES ('203.0.113.1', 'sshd', NULL, 600)")
        answer = ok("import", "fail2ban.sqlite3", code=3)
        assert "has no time that can be read" in answer.stderr
        assert len(answer.stderr.splitlines()) == 1


class TestAround:
    def test_a_ban_around_an_address_is_named_although_nothing_is_remembered_of_that_itself(self) -> None:
        ok("ban", "203.0.113.0/24", "2001:db8::/48")
        ok("ban", "203.0.112.0/20", "--jail", "login")
        answer = ok("unban", IP, "2001:db8::7", "198.51.100.1")
        assert answer.stderr.splitlines() == [
            f"{each}: lift that, or let {each.partition(' ')[0]} go free with f2b allow add"
            for each in (
                "2001:db8::/64 is still banned as 2001:db8::/48 in jail manual",
                f"{IP} is still banned as 203.0.113.0/24 in jail manual",
                f"{IP} is still banned as 203.0.112.0/20 in jail login",
            )
        ]

    def test_of_a_network_it_is_said_how_many_bans_stay_inside_it(self) -> None:
        ok("ban", "203.0.113.0/24", "203.0.113.0/28", IP, "2001:db8::7")
        told_of = "2 bans inside 203.0.113.0/24 stay: f2b unban --range 203.0.113.0/24\n"
        assert ok("unban", "203.0.113.0/24").stderr == told_of
        assert "1 ban inside 2001:db8::/48 stays" in ok("unban", "2001:db8::/48").stderr
        ok("unban", "--range", "203.0.113.0/24", "--yes")
        assert ok("unban", "203.0.113.0/24", "2001:db8::7").stderr.count("inside") == 0

    def test_of_many_addresses_the_bans_around_them_are_looked_up_together(
        self, tmp_path: Path, place: str, cloud: Cloud
    ) -> None:
        ok("ban", "203.0.113.0/24")
        (tmp_path / "list").write_text("".join(f"203.0.113.{number}\n" for number in range(100)))
        before = sum(cloud.aws.edge.calls().values())
        answer = ok("unban", "-f", "list")
        assert "203.0.113.1 is still banned as 203.0.113.0/24 in jail manual" in answer.stderr
        assert "and 80 more are still banned by networks around them" in answer.stderr
        if place == "table":
            assert sum(cloud.aws.edge.calls().values()) - before < 400

    def test_many_addresses_are_looked_up_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        together = threading.Barrier(4, timeout=20)
        for kind in (DynamoActs, SqliteActs):
            monkeypatch.setattr(kind, "jails_of", lambda _self, _key: [][together.wait() :])
        (tmp_path / "list").write_text("".join(f"203.0.113.{number}\n" for number in range(4)))
        assert set(outcomes("unban", "-f", "list").values()) == {"nothing"}

    def test_a_network_that_is_lifted_in_the_same_moment_is_not_told_to_stay(self) -> None:
        ok("ban", IP, "203.0.113.0/24")
        assert "still banned" not in ok("unban", IP, "203.0.113.0/24").stderr

    def test_who_is_allowed_inside_a_banned_network_is_not_banned_and_the_others_are(self) -> None:
        ok("ban", "203.0.113.0/24", "2001:db8:1:2::7", "--forever")
        ok("allow", "add", IP, "2001:db8:1:2::9")
        assert ok("banned", IP, code=1).stdout == f"{IP} is not banned\n"
        assert "is banned as 203.0.113.0/24" in ok("banned", "203.0.113.8").stdout
        assert "is banned" in ok("banned", "203.0.113.0/28").stdout
        ok("banned", "2001:db8:1:2::7", code=1)
        ok("allow", "remove", IP)
        ok("banned", IP)

    def test_a_network_of_which_a_part_is_allowed_may_be_banned(self) -> None:
        ok("allow", "add", IP)
        answer = ok("allow", "check", "203.0.113.0/24", code=1)
        assert answer.stderr == "only a part of 203.0.113.0/24 is on a list: the rest may be banned\n"
        ok("allow", "check", "203.0.113.7/32")

    def test_of_an_ipv6_address_the_audit_has_what_was_done_to_it_and_to_its_64(self) -> None:
        ok("ban", "2001:db8:1:2::7")
        ok("allow", "add", "2001:db8:1:2::7")
        found = told("audit", "--ip", "2001:db8:1:2::7")["acts"]
        assert [each["verb"] for each in found] == ["allow", "ban"]

    def test_what_is_paused_still_is_named_with_the_command_that_ends_it(self) -> None:
        ok("pause", "--blocklist", "captcha")
        assert "f2b resume --blocklist captcha" in ok("status", code=1).stdout
        answer = ok("resume", code=1)
        assert answer.stderr == "blocklist captcha is still paused: f2b resume --blocklist captcha\n"
        ok("pause")
        assert ok("resume", "--blocklist", "captcha").stderr == "all blocklists are still paused: f2b resume\n"
        assert ok("resume").stderr == ""


class TestLedger:
    def test_a_key_that_is_no_address_keeps_no_command_from_its_work(self, place: str, cloud: Cloud) -> None:
        ok("ban", IP)
        break_key(place, cloud)
        assert outcomes("unban", "--range", "203.0.113.0/24", "--yes") == {IP: "lifted"}
        ok("ban", IP)
        assert outcomes("allow", "add", "203.0.113.0/24")[IP] == "lifted"
        assert ok("export").stdout == ""
        assert told("stats", "--by", "network")["total"] == 1
        assert told("list", "--sort", "ip")["total"] == 1

    def test_what_cannot_be_read_of_the_audit_is_named_beside_it(self, place: str, cloud: Cloud) -> None:
        ok("ban", IP)
        if place == "file":
            with closing(sqlite3.connect("f2b.db")) as file, file:
                file.execute("UPDATE acts SET verb = 'dance'")
        else:
            (item,) = (
                each
                for each in cloud.dynamodb.scan(TableName="f2b")["Items"]
                if each["pk"]["S"].startswith("audit#")
            )
            cloud.dynamodb.put_item(TableName="f2b", Item={**item, "verb": {"S": "dance"}})
        answer = ok("audit", "--json")
        assert json.loads(answer.stdout)["acts"] == []
        assert answer.stderr.startswith("unreadable: item ")


def break_key(place: str, cloud: Cloud) -> None:
    """Let somebody write a ban of what is no address into the ledger."""
    if place == "file":
        with closing(sqlite3.connect("f2b.db")) as file, file:
            columns = [row[1] for row in file.execute("PRAGMA table_info(offenders)")]
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            (row,) = file.execute(f"SELECT {names} FROM offenders").fetchall()
            broken = dict(zip(columns, row, strict=True)) | {"key": "nobody", "changed": 10**6}
            file.execute(f"INSERT INTO offenders ({names}) VALUES ({marks})", list(broken.values()))
        return
    acts = DynamoActs(cloud.dynamodb, "f2b", SystemClock())
    who = OffenderId("manual", "nobody")
    acts.ban(Act("broken", SystemClock().now_ms(), "me", Verb.BAN), {who: Order()})
    acts.close()


class TestRelease:
    @pytest.fixture(autouse=True)
    def surge(self, place: str, cloud: Cloud, tmp_path: Path) -> None:
        """Bans are held back."""
        now_ms = SystemClock().now_ms()
        if place == "table":
            DynamoNotebook(cloud.dynamodb, "f2b", region="us-east-1").note_surge(now_ms)
            return
        with closing(open_to_store(tmp_path / "f2b.db")) as file:
            SqliteNotebook(file, Writer(file), region="us-east-1").note_surge(now_ms)

    def test_with_a_reason_that_nobody_can_keep_nothing_is_released(self) -> None:
        assert run("release", "--reason", "x" * 1001).exit_code == 2
        assert told("audit")["acts"] == []
        assert told("release")["released"]

    def test_nothing_is_released_that_the_audit_does_not_tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_self: object, _now_ms: int) -> None:
            raise AccessDenied("not allowed")

        with monkeypatch.context() as patch:
            for kind in (DynamoNotebook, SqliteNotebook):
                patch.setattr(kind, "note_release", refuse)
            ok("release", code=3)
        assert [each["verb"] for each in told("audit")["acts"]] == ["release"]
        assert told("release")["released"]


@pytest.mark.parametrize("place", ["table"], indirect=True)
class TestClock:
    @pytest.fixture(params=[-240, 240])
    def off_s(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, place: str) -> float:
        """A machine whose clock is so far ahead, in a process that has not heard of AWS."""
        del place
        quick = aws._session

        def hearing() -> object:
            session = quick()
            session.events.register("request-created", aws._note_begin)
            session.events.register("response-received", aws._learn_time)
            return session

        monkeypatch.setattr(aws, "_session", hearing)
        off_s = float(request.param)
        told_s, told_ns = time.time, time.time_ns
        for name, value in vars(clock.AwsTime()).items():
            monkeypatch.setattr(clock.AWS_TIME, name, value)
        monkeypatch.setattr(time, "time", lambda: told_s() + off_s)
        monkeypatch.setattr(time, "time_ns", lambda: told_ns() + round(off_s * 1e9))
        return off_s

    def test_a_ban_by_hand_lasts_for_its_time_whatever_this_machines_clock_says(self, off_s: float) -> None:
        (row,) = told("ban", IP, "--for", "3m")["outcomes"]
        assert abs(row["until"] - (time.time() - off_s) - 180) < 10
        assert banned() == {IP}

    def test_so_does_one_of_a_list(self, off_s: float) -> None:
        row = '{"ip": "203.0.113.1", "duration": "3m"}\n{"ip": "203.0.113.2"}\n'
        ok("import", "-", "--from", "ndjson", "--for", "3m", text=row)
        ends_s = [each["until"] - (time.time() - off_s) for each in told("list")["bans"]]
        assert all(abs(each - 180) < 10 for each in ends_s)
        assert len(ends_s) == 2
