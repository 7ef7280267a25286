"""What an import cannot take over of a jail bans nobody, and what a jail refers to means what fail2ban means."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from f2b_worker.config.jails_file import read_jails
from f2b_worker.offline.fail2ban_import import Imported, Source, import_fail2ban

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.domain.jails import Policy


def imported(*texts: str) -> Imported:
    names = ("jail.conf", "jail.local")
    return import_fail2ban([Source(name, text) for name, text in zip(names, texts, strict=False)])


def policy_of(result: Imported, folder: Path) -> Policy:
    path = folder / "f2b.toml"
    path.write_text(result.toml, "utf-8")
    return read_jails(path).policy


@pytest.mark.parametrize("line", ["maxretry = 25000", "findtime = soon", "bantime = 0", "bantime = %(gone)s"])
def test_a_jail_that_lost_a_value_is_a_commented_block_that_bans_nobody(line: str, tmp_path: Path) -> None:
    result = imported(
        f"[DEFAULT]\nmaxretry = 3\n[a]\nenabled = true\nignoreip = 192.0.2.1\n{line}\n[b]\nenabled = 1\n"
    )
    assert tomllib.loads(result.toml)["jails"] == {"a": {"mode": "observe"}, "b": {}}
    option, _, text = line.partition(" = ")
    assert f"# {option} = {text!r}: " in result.toml
    assert '# ignoreip = ["192.0.2.1"]' in result.toml
    assert result.observed == ("a",)
    policy = policy_of(result, tmp_path)
    assert (policy.jail("a").observed, policy.jail("b").observed, policy.defaults.observed) == (True, False, False)


def test_a_value_that_was_lost_in_the_defaults_stops_those_that_have_no_own(tmp_path: Path) -> None:
    result = imported("[DEFAULT]\nmaxretry = 25000\n[a]\nenabled = 1\n[b]\nenabled = 1\nmaxretry = 4\n")
    policy = policy_of(result, tmp_path)
    assert (policy.defaults.observed, policy.jail("a").observed, policy.jail("b").observed) == (True, True, False)
    assert policy.jail("b").windows[0].maxretry == 4
    assert result.observed == ("defaults", "a")


def test_a_bad_length_of_later_bans_stops_a_jail_only_where_bans_grow(tmp_path: Path) -> None:
    lines = "bantime.maxtime = soon\n[a]\nenabled = 1\n[b]\nenabled = 1\nbantime.increment = true\n"
    policy = policy_of(imported(f"[DEFAULT]\n{lines}"), tmp_path)
    assert (policy.jail("a").observed, policy.jail("b").observed) == (False, True)


@pytest.mark.parametrize(
    ("lines", "observed"),
    [
        ("ignoreip = office.example.net", True),
        ("ignorecommand = /usr/local/bin/is-ours <ip>", True),
        ("ignoreip = localhost 192.0.2.1", False),
        ("ignorecommand =", False),
        ("ignoreself = perhaps", False),
    ],
)
def test_a_jail_that_cannot_spare_whom_fail2ban_spares_bans_nobody(
    lines: str, observed: bool, tmp_path: Path
) -> None:
    result = imported(f"[a]\nenabled = 1\nmaxretry = 4\n{lines}\n")
    jail = policy_of(result, tmp_path).jail("a")
    assert (jail.observed, jail.windows[0].maxretry) == (observed, 4)


def test_a_default_that_was_mended_starts_no_jail_that_lost_something_itself() -> None:
    lost = "[DEFAULT]\nignorecommand = x\n[a]\nenabled = 1\nignorecommand = y\n[b]\nenabled = 1\n"
    assert tomllib.loads(imported(lost).toml)["jails"] == {"a": {"mode": "observe"}, "b": {}}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("%(known/findtime)s1", 71),
        ("%(known/bantime)s", 900),
        ("%(default/bantime)s", 900),
        ("%(b/findtime)s", 20),
        ("%(b/bantime)s", 900),
        ("%(base)s0", 40),
        ("%(known/base)s ; four", 4),
    ],
)
def test_a_reference_means_what_it_means_to_fail2ban(value: str, seconds: int, tmp_path: Path) -> None:
    first = "[DEFAULT]\nbantime = 5m\n[a]\nenabled = 1\nfindtime = 7\nbase = 3\n[b]\nfindtime = 20\n"
    second = f"[DEFAULT]\nbantime = 15m\nbase = 4\n[a]\nfindtime = {value}\n"
    if "base" in value:
        first = first.replace("base = 3\n", "")
    assert policy_of(imported(first, second), tmp_path).jail("a").windows[0].findtime_ms == seconds * 1000


@pytest.mark.parametrize("value", ["%(known/gone)s", "%(none/bantime)s", "%(known/bantime)s"])
def test_a_reference_that_fail2ban_cannot_follow_is_never_followed_elsewhere(value: str, tmp_path: Path) -> None:
    later = f"[DEFAULT]\nbantime = {value}\n"  # fail2ban keeps no earlier values of [DEFAULT]
    policy = policy_of(imported("[DEFAULT]\nbantime = 5m\n[a]\nenabled = 1\n", later), tmp_path)
    assert policy.jail("a").observed


@pytest.mark.parametrize(
    ("lines", "multipliers", "factor"),
    [
        ("bantime.formula = ban.Time * (1<<(ban.Count if ban.Count<3 else 3)) * banFactor", (1, 2, 4, 8), 1),
        (
            "bantime.formula = ban.Time * ban.Count * banFactor\nbantime.factor = 5\nbantime.maxtime = 20m",
            (1, 5),
            1,
        ),
        ("bantime.formula = ban.Time * math.exp(-ban.Count)", (1,), 1),
        ("bantime.formula = ban.Time * 9\nbantime.multipliers = 1 3", (1, 3), 1),
    ],
)
def test_a_formula_becomes_the_multiples_that_it_gives(
    lines: str, multipliers: tuple[float, ...], factor: float, tmp_path: Path
) -> None:
    jail = policy_of(imported(f"[a]\nenabled = 1\nbantime.increment = true\n{lines}\n"), tmp_path).jail("a")
    assert (jail.multipliers[: len(multipliers)], jail.factor) == (multipliers, factor)
    assert not jail.observed


def test_a_formula_that_is_no_arithmetic_is_told_and_bans_nobody(tmp_path: Path) -> None:
    result = imported("[a]\nenabled = 1\nbantime.increment = 1\nbantime.formula = ban.Time * random.random()\n")
    assert policy_of(result, tmp_path).jail("a").observed
    [told] = result.wrong
    assert told.startswith("a: bantime.formula = 'ban.Time * random.random()': f2b cannot compute it")


def test_a_fail2ban_without_a_database_never_makes_a_ban_longer(tmp_path: Path) -> None:
    server = Source("fail2ban.conf", "[Definition]\ndbfile = None\n", is_server=True)
    result = import_fail2ban([server, Source("jail.conf", "[a]\nenabled = 1\nbantime.increment = true\n")])
    assert not policy_of(result, tmp_path).jail("a").increment
    assert any(note.startswith("bantime.increment (a): ") for note in result.notes)


def test_what_fail2bans_server_has_of_its_own_is_no_default_of_a_jail() -> None:
    server = Source("fail2ban.conf", "[DEFAULT]\nbantime = 1w\n[Definition]\ndbpurgeage = 2*7d\n", is_server=True)
    result = import_fail2ban([server, Source("jail.conf", "[a]\nenabled = 1\n")])
    assert tomllib.loads(result.toml) == {"defaults": {"dbpurgeage": 1_209_600}, "jails": {"a": {}}}


@pytest.mark.parametrize("option", ["increment = true", "factor = 3", "multipliers = 1 4", "rndtime = 5m"])
def test_a_jail_that_empties_a_default_has_none_of_it(option: str, tmp_path: Path) -> None:
    emptied = option.partition(" ")[0]
    result = imported(f"[DEFAULT]\nbantime.{option}\n[a]\nenabled = 1\nbantime.{emptied} =\n")
    jail = policy_of(result, tmp_path).jail("a")
    assert (jail.increment, jail.factor, jail.multipliers, jail.rndtime_ms) == (False, 1, (), 0)
    assert result.wrong == ()


@pytest.mark.parametrize(
    ("action", "bans"),
    [
        ("%(action_)s", True),
        ("%(action_mwl)s", True),
        ('%(banaction)s[port="22"]', True),
        ("sendmail-whois[dest=a@example.net]", False),
        ("abuseipdb[abuseipdb_category=18]", False),
        ("%(action_abuseipdb)s", False),
        ("iptables-multiport[blocktype=ACCEPT]", False),
        ("unban", False),
        ("", False),
        ("%(gone)s", False),
    ],
)
def test_a_jail_whose_actions_do_not_ban_never_becomes_one_that_bans(
    action: str, bans: bool, tmp_path: Path
) -> None:
    result = imported(f"[a]\nenabled = 1\nmaxretry = 2\naction = {action}\n")
    assert policy_of(result, tmp_path).jail("a").observed is not bans
    assert ("maxretry = 2" in result.toml.splitlines()) is bans
    assert len(result.wrong) == (0 if bans else 1)
