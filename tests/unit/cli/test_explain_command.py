"""What `f2b explain` shows and refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from f2b_worker.cli.f2b import main
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.jails import SECOND_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId, judge
from f2b_worker.errors import Missing
from f2b_worker.process import regions
from f2b_worker.query import places
from f2b_worker.query import story as command
from f2b_worker.query.wording import time_object
from f2b_worker.testing import FakeClock, MemoryActs, MemoryIpSet, MemoryIpSetFinder, MemoryLedger, MemoryNotebook
from tests.environment import forget_settings

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.config.operator import OperatorSettings

NOW_MS = FakeClock().now_ms()  # 2023-11-14 22:13:20Z
IP = "203.0.113.7"
JAILS = """\
[defaults]
maxretry = 3
bantime = "30m"
ignoreip = ["192.0.2.0/24"]

[jails.login]
bantime = "1h"
ignoreip = ["198.51.100.9"]

[jails.net]
maxretry = 2
"prefix.ipv4" = 24
"prefix.ipv6" = 48

[jails.slow]
windows = [{maxretry = 3, findtime = "10m"}, {maxretry = 20, findtime = "1d"}]

[jails.stern]
maxretry = 1
bantime = -1
"""
TWO_BLOCKLISTS = """
[blocklists.captcha]
ip_set = "doubt"

[jails.doubtful]
maxretry = 1
blocklist = ["captcha", "block"]
"""


class Scene:
    """A ledger, IP sets and a jails file, and the command that reads them."""

    def __init__(self, config: Path) -> None:
        config.write_text(JAILS)
        self.config = config
        self.policy = read_jails(config).policy
        self.ledger = MemoryLedger()
        self.acts = MemoryActs(self.ledger)
        self.notebook = MemoryNotebook()
        self.ip_sets: list[tuple[str, MemoryIpSet]] = []
        self.used: list[OperatorSettings] = []

    def open_ban_book(self, settings: OperatorSettings, **_: object) -> MemoryLedger:
        self.used.append(settings)
        return self.ledger

    def report(self, *ago_s: float, jail: str = "login", ip: str = IP) -> None:
        """Record infractions so many seconds ago, and judge them as a worker does."""
        who = OffenderId(jail, self.policy.jail(jail).key(parse_address(ip)))
        self.ledger.record({who: [Hit(NOW_MS - round(ago * SECOND_MS), f"i{ago}") for ago in ago_s]})
        while changed := judge(self.ledger.offender(who), (), self.policy.jail(jail), key=who.key).changed:
            self.ledger.commit({who: Decision.on(self.ledger.offender(who), changed)})

    def use(self, text: str) -> None:
        """Add tables to the jails file."""
        self.config.write_text(JAILS + text)
        self.policy = read_jails(self.config).policy

    def hold(self, blocklist: str, *ip_sets: MemoryIpSet) -> None:
        self.ip_sets += [(blocklist, each) for each in ip_sets]

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["explain", *arguments, "--config", str(self.config)])

    def lines(self, *arguments: str) -> list[str]:
        answer = self.run(*arguments)
        assert answer.exit_code == 0, answer.output
        return answer.output.splitlines()

    def because(self, *arguments: str) -> str:
        return self.lines(*arguments)[1].strip()

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("--json", *arguments).stdout)["jails"]
        return found


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    forget_settings(monkeypatch)
    made = Scene(tmp_path / "f2b.toml")
    monkeypatch.setattr(command, "open_ban_book", made.open_ban_book)
    monkeypatch.setattr(command, "open_acts", lambda *_, **__: made.acts)
    monkeypatch.setattr(command, "open_ip_sets", lambda _: made.ip_sets)
    monkeypatch.setattr(command, "open_notebooks", lambda *_, **__: {"here": made.notebook})
    monkeypatch.setattr(regions, "by_region", lambda blocklists: {"here": blocklists})
    monkeypatch.setattr(command, "SystemClock", FakeClock)
    return made


def test_a_ban_is_explained_in_one_sentence_with_its_evidence_below(scene: Scene) -> None:
    scene.report(12, 11, 10)
    banned = (
        "banned by jail login until 2023-11-14 23:13:10Z: 3 infractions within 10m, "
        "the last at 2023-11-14 22:13:10Z"
    )
    assert scene.lines(IP) == [
        "203.0.113.7 in jail login",
        f"  {banned}",
        "    ban        1st, since 2023-11-14 22:13:10Z, until 2023-11-14 23:13:10Z (59m50s left), never extended",
        "    evidence   2023-11-14 22:13:08Z  i12",
        "               2023-11-14 22:13:09Z  i11",
        "               2023-11-14 22:13:10Z  i10",
    ]


def test_who_is_watched_sees_how_far_a_ban_is(scene: Scene) -> None:
    scene.report(70, 10)
    drops = "the oldest drops out at 2023-11-14 22:22:10Z (in 8m50s)"
    assert scene.lines(IP) == [
        "203.0.113.7 in jail login",
        "  not banned: 2 of 3 infractions within 10m",
        f"    window     2 of 3 infractions within 10m, 1 missing; {drops}",
        "    unused     2023-11-14 22:12:10Z  i70",
        "               2023-11-14 22:13:10Z  i10",
    ]


def test_every_window_with_an_infraction_stands_in_the_sentence(scene: Scene) -> None:
    scene.report(5000, 70, 10, jail="slow")
    assert scene.because(IP) == "not banned: 2 of 3 infractions within 10m and 3 of 20 infractions within 1d"


def test_an_ended_ban_is_history(scene: Scene) -> None:
    scene.report(7202, 7201, 7200)
    assert scene.because(IP) == "not banned: last ban ended 2023-11-14 21:13:20Z, 1h ago"
    assert scene.lines(IP)[-1] == (
        "    history    1st, 2023-11-14 20:13:20Z to 2023-11-14 21:13:20Z, never extended, 3 infractions"
    )


def test_who_is_watched_again_is_told_of_the_last_ban(scene: Scene) -> None:
    scene.report(7202, 7201, 7200)
    scene.report(10)
    assert scene.because(IP) == (
        "not banned: 1 of 3 infractions within 10m; last ban ended 2023-11-14 21:13:20Z, 1h ago"
    )


def test_old_infractions_are_not_held_against_anybody(scene: Scene) -> None:
    scene.report(5000)
    assert scene.because(IP) == "not banned: no infraction within 10m, the last at 2023-11-14 20:50:00Z"


def test_a_ban_for_ever_has_no_end(scene: Scene) -> None:
    scene.report(10, jail="stern")
    assert scene.because(IP) == (
        "banned by jail stern for ever: 1 infraction within 10m, the last at 2023-11-14 22:13:10Z"
    )
    assert scene.objects(IP)[0]["ban"]["until"] is None


def test_a_ban_that_waits_for_a_worker_is_announced(scene: Scene) -> None:
    who = OffenderId("login", "203.0.113.7/32")
    scene.ledger.record({who: [Hit(NOW_MS - ago, str(ago)) for ago in range(3)]})
    assert scene.because(IP) == (
        "about to be banned by jail login until 2023-11-14 23:13:20Z: 3 infractions within 10m, "
        "the last at 2023-11-14 22:13:20Z; no worker has stored it yet"
    )


def test_a_ban_without_its_infractions_says_so(scene: Scene) -> None:
    ban = Ban(NOW_MS - 1_900_000, NOW_MS + 1000, 12, 1_800_000, extended=1)
    who = OffenderId("login", "203.0.113.7/32")
    scene.ledger.commit({who: Decision(scene.ledger.offender(who), ban)})
    assert scene.because(IP).endswith(": its infractions are no longer remembered")
    assert "12th, since" in scene.lines(IP)[2]
    assert scene.lines(IP)[2].endswith("(1s left), extended by 1m41s")


@pytest.mark.parametrize(
    ("ip", "reason"),
    [
        ("10.1.2.3", "private address (10.0.0.0/8)"),
        ("127.0.0.1", "loopback address (127.0.0.0/8)"),
        ("fc00::1", "private address (fc00::/7)"),
        ("198.18.0.1", "benchmark address (198.18.0.0/15)"),
        ("fec0::1", "site-local address (fec0::/10)"),
        ("64:ff9b::10.0.0.1", "private address (10.0.0.0/8)"),
        ("2002:c633:6409:7::1", "in ignoreip of jail login (198.51.100.9)"),
        ("192.0.2.5", "in ignoreip of all jails (192.0.2.0/24)"),
        ("198.51.100.9", "in ignoreip of jail login (198.51.100.9)"),
    ],
)
def test_who_is_never_banned_is_told_by_which_rule(scene: Scene, ip: str, reason: str) -> None:
    assert scene.because(ip, "--jail", "login") == f"never banned: {reason}"


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("2002:cb00:7114::/48", "2002:cb00:7114::/48"),
        ("64:ff9b::203.0.113.20", "64:ff9b::cb00:7114/128"),
        ("[::ffff:0:203.0.113.20]:443", "203.0.113.20"),
    ],
)
def test_an_address_in_a_range_of_translators_is_explained_as_its_customer(
    scene: Scene, ip: str, key: str
) -> None:
    scene.report(12, 11, 10, ip=ip.removesuffix("/48"))
    (found,) = scene.objects(ip)
    assert (found["ip"], found["status"]) == (key, "banned")


def test_a_ban_that_an_ignoreip_came_after_is_explained_as_it_is_enforced(scene: Scene) -> None:
    scene.report(12, 11, 10, ip="192.0.2.5")
    scene.report(12, 11, 10, ip="198.51.100.9")
    assert scene.because("192.0.2.5") == (
        "never banned: in ignoreip of all jails (192.0.2.0/24); its ban is not enforced"
    )
    assert scene.because("198.51.100.9").startswith("banned by jail login until ")
    assert scene.because("198.51.100.9").endswith(
        "; new infractions do not count: in ignoreip of jail login (198.51.100.9)"
    )


def test_whom_nobody_knows_is_unknown_in_every_jail(scene: Scene) -> None:
    found = scene.objects(IP)
    assert [each["jail"] for each in found] == ["default", "login", "net", "slow", "stern"]
    assert {each["because"] for each in found} == {"unknown: no infraction is remembered"}


def test_only_jails_that_know_the_address_are_shown(scene: Scene) -> None:
    scene.report(10, jail="default")
    scene.report(10, jail="slow")
    assert [each["jail"] for each in scene.objects(IP)] == ["default", "slow"]


def test_a_jail_that_nobody_configured_is_found_by_its_ban_and_judged_by_the_defaults(scene: Scene) -> None:
    scene.report(12, 11, 10, jail="unheard-of")
    assert scene.lines(IP)[0] == "203.0.113.7 in jail unheard-of (not in the jails file: judged by the defaults)"
    (found,) = scene.objects(IP)
    assert (found["configured"], found["ban"]["length"]) == (False, 1800)


def test_one_jail_is_shown_even_if_it_knows_nothing(scene: Scene) -> None:
    scene.report(10)
    assert scene.lines(IP, "--jail", "unheard-of")[1] == "  unknown: no infraction is remembered"


def test_an_address_is_looked_up_by_each_jails_own_prefix(scene: Scene) -> None:
    scene.report(10, ip="2001:db8:1:2::9")
    scene.report(10, ip="2001:db8:1:9::9", jail="net")
    found = scene.objects("2001:db8:1:2::1")
    assert [(each["jail"], each["ip"]) for each in found] == [
        ("login", "2001:db8:1:2::/64"),
        ("net", "2001:db8:1::/48"),
    ]


@pytest.mark.parametrize(
    "spelling", ["::ffff:203.0.113.7", " 203.0.113.7 ", "203.0.113.7/32", "::FFFF:cb00:7107", "203.0.113.0/24"]
)
def test_any_spelling_of_an_address_finds_it(scene: Scene, spelling: str) -> None:
    scene.report(10, jail="net")
    assert [each["ip"] for each in scene.objects(spelling)] == ["203.0.113.0/24"]


@pytest.mark.parametrize(
    "wrong", ["example.org", "203.0.113.0/33", "203.0.113.7/x", "2001:db8::/129", "fe80::1%eth0"]
)
def test_what_is_no_address_is_wrong_usage_and_is_named(scene: Scene, wrong: str) -> None:
    answer = scene.run(wrong)
    assert answer.exit_code == 2
    assert wrong in answer.stderr


def test_the_ip_set_that_holds_the_ban_is_named_with_its_entry(scene: Scene) -> None:
    scene.report(12, 11, 10)
    scene.hold("block", MemoryIpSet(4, ["203.0.113.7/32"], "f2b-ipv4"), MemoryIpSet(6, ["::/8"], "f2b-ipv6"))
    assert "    IP set     f2b-ipv4, as 203.0.113.7/32" in scene.lines(IP, "--ip-set", "f2b")
    (found,) = scene.objects(IP, "--ip-set", "f2b")
    assert found["ip_sets"] == [
        {"name": "f2b-ipv4", "entry": "203.0.113.7/32", "blocklist": "block", "foreign": False}
    ]


def test_a_ban_that_no_ip_set_holds_is_not_yet_in_one(scene: Scene) -> None:
    scene.report(12, 11, 10)
    scene.hold("block", MemoryIpSet(4, ["203.0.113.8/32"]))
    assert "    IP set     not yet in an IP set" in scene.lines(IP, "--ip-set", "f2b")
    assert scene.objects(IP, "--ip-set", "f2b")[0]["ip_sets"] == []


def test_an_entry_over_an_address_that_is_not_banned_is_shown_too(scene: Scene) -> None:
    scene.report(10)
    assert "    IP set     in none" in scene.lines(IP, "--ip-set", "f2b")
    scene.hold("block", MemoryIpSet(4, ["203.0.0.0/16"], "office"))
    assert "    IP set     office, as 203.0.0.0/16" in scene.lines(IP, "--ip-set", "f2b")


def test_every_blocklist_of_the_ban_says_whether_it_holds_it(scene: Scene) -> None:
    scene.use(TWO_BLOCKLISTS)
    scene.report(10, jail="doubtful")
    scene.hold("captcha", MemoryIpSet(4, [], "doubt-ipv4"), MemoryIpSet(4, ["203.0.113.7/32"], "doubt-ipv4-2"))
    scene.hold("block", MemoryIpSet(4, [], "f2b-ipv4"))
    lines = scene.lines(IP, "--ip-set", "f2b")
    assert "    IP set     doubt-ipv4-2, as 203.0.113.7/32 (blocklist captcha)" in lines
    assert "               not yet in an IP set" in lines
    assert any(line.endswith("never extended, in captcha, block") for line in lines)
    (found,) = scene.objects(IP)
    assert found["ip_sets"] == [
        {"name": "doubt-ipv4-2", "entry": "203.0.113.7/32", "blocklist": "captcha", "foreign": False}
    ]
    assert found["ban"]["blocklists"] == ["captcha", "block"]


def test_blocklists_of_the_file_are_looked_into_without_any_option(scene: Scene) -> None:
    scene.use(TWO_BLOCKLISTS)
    scene.report(10, jail="doubtful")
    scene.hold("captcha", MemoryIpSet(4, [], "doubt-ipv4"))
    lines = scene.lines(IP)
    assert "    IP set     not yet in an IP set (blocklist captcha)" in lines
    assert "               no IP set of its family is there" in lines


def test_without_an_ip_set_none_is_spoken_of(scene: Scene) -> None:
    scene.report(12, 11, 10)
    assert not any("IP set" in line for line in scene.lines(IP))
    assert scene.objects(IP)[0]["ip_sets"] is None


def test_an_ip_set_that_is_not_there_is_one_clear_line(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: OperatorSettings) -> None:
        raise Missing("IP set f2b: there is none")

    monkeypatch.setattr(command, "open_ip_sets", fail)
    answer = scene.run(IP, "--ip-set", "f2b")
    assert (answer.exit_code, answer.stderr) == (3, "f2b: IP set f2b: there is none\n")


def hit(ago_s: int) -> dict[str, Any]:
    return {
        **time_object("time", NOW_MS - ago_s * SECOND_MS),
        "id": f"i{ago_s}",
        "reporter": None,
        "note": None,
        "weight": 1,
    }


def test_json_says_all_that_the_text_says_as_data(scene: Scene) -> None:
    scene.report(9002, 9001, 9000)
    scene.report(70, 10)
    now_s = NOW_MS / SECOND_MS
    assert scene.objects(IP) == [
        {
            "jail": "login",
            "configured": True,
            "ip": IP,
            "status": "watched",
            "because": scene.because(IP),
            **dict.fromkeys(("country", "state", "ban", "due", "window", "exemption", "ip_sets")),
            **{key: [] for key in ("unreadable", "acts")},
            "windows": [
                {
                    "maxretry": 3,
                    "findtime": 600,
                    "hits": [hit(70), hit(10)],
                    "missing": 1,
                    "oldest_drops": now_s + 530,
                    "oldest_drops_at": "2023-11-14T22:22:10Z",
                }
            ],
            "history": [
                {
                    "jail": "login",
                    "ip": IP,
                    **time_object("start", NOW_MS - 9_000_000),
                    **time_object("until", NOW_MS - 5_400_000),
                    "count": 1,
                    "length": 3600,
                    "extended": 0,
                    "observed": False,
                    "blocklists": ["block"],
                    "by": "judge",
                    "evidence": [hit(ago) for ago in (9002, 9001, 9000)],
                }
            ],
        }
    ]


def test_a_running_ban_names_the_window_that_it_broke_in_json(scene: Scene) -> None:
    scene.report(12, 11, 10)
    assert scene.objects(IP)[0]["window"] == {"maxretry": 3, "findtime": 600}


def test_a_long_list_is_cut_in_the_text_and_whole_in_json(scene: Scene) -> None:
    scene.report(*range(10_000, 40_000, 2000), jail="slow")
    lines = scene.lines(IP)
    assert "    unused     5 older ones (--json shows all)" in lines
    assert sum("Z  i" in line for line in lines) == 10
    assert [len(count["hits"]) for count in scene.objects(IP)[0]["windows"]] == [0, 15]


def test_an_infractions_id_cannot_steer_the_terminal(scene: Scene) -> None:
    scene.ledger.record({OffenderId("login", "203.0.113.7/32"): [Hit(NOW_MS, "\x1b[2J")]})
    assert "\x1b" not in scene.run(IP).output
    assert r"\x1b[2J" in scene.run(IP).output
    assert scene.objects(IP)[0]["windows"][0]["hits"][0]["id"] == "\x1b[2J"


@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_table_and_file_count_wherever_they_stand(
    scene: Scene, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.report(12, 11, 10)
    options = ["--table", "prod", "--config", str(scene.config)]
    if place == "environment":
        monkeypatch.setenv("F2B_TABLE", "prod")
        monkeypatch.setenv("F2B_CONFIG", str(scene.config))
        options = []
    arguments = [*options, "explain", IP] if place == "before" else ["explain", IP, *options]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
    assert [settings.table for settings in scene.used] == ["prod"]
    assert "3 infractions within 10m" in answer.output
    assert "23:13:10Z" in answer.output  # the file's bantime


def test_ip_sets_are_looked_for_only_when_a_blocklist_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Blocklist, ...]] = []

    class Finder(MemoryIpSetFinder):
        def check(self) -> None:
            """Know that all are there."""

    def open_finders(blocklists: tuple[Blocklist, ...], _clock: object) -> list[Finder]:
        asked.append(blocklists)
        return [Finder({"block": [held]})]

    held = MemoryIpSet()
    monkeypatch.setattr(regions, "open_finders", open_finders)
    block = Blocklist("block", ("f2b",))
    assert list(places.open_ip_sets(())) == []
    assert list(places.open_ip_sets((block,))) == [("block", held)]
    assert asked == [(block,)]
