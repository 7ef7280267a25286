"""fail2ban's jail configuration becomes a jails file, and nothing of it is lost without a word."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.config.jails_file import Jails, read_jails
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, MINUTE_MS, Window
from f2b_worker.offline.fail2ban_import import Fail2banFileError, Imported, Source, import_fail2ban

if TYPE_CHECKING:
    from pathlib import Path

JAIL_CONF = """\
# What the distribution ships: every jail is there, none is enabled.
[INCLUDES]
before = paths-example.conf

[DEFAULT]
ignoreself = true
ignorecommand =
bantime  = 10m
findtime  = 10m
maxretry = 5
maxmatches = %(maxretry)s
backend = auto
usedns = warn
logencoding = auto
enabled = false
mode = normal
filter = %(__name__)s[mode=%(mode)s]
destemail = root@localhost
protocol = tcp
chain = <known/chain>
port = 0:65535
banaction = nftables-multiport
action_ = %(banaction)s[port="%(port)s", protocol="%(protocol)s", chain="%(chain)s"]
action = %(action_)s

[sshd]
port    = ssh
logpath = %(sshd_log)s
backend = %(sshd_backend)s

[nginx-http-auth]
port    = http,https
logpath = %(nginx_error_log)s

[recidive]
logpath  = /var/log/fail2ban.log
banaction = %(banaction_allports)s
bantime  = 1w
findtime = 1d
"""

JAIL_LOCAL = """\
[DEFAULT]
# the office, the monitoring and ourselves
ignoreip = 127.0.0.1/8 ::1
           198.51.100.0/24, 2001:db8:7::/48
           bastion.example.net
bantime = 30m   ; a coffee
bantime.increment = true
bantime.maxtime = 5w
bantime.rndtime = 5m
bantime.overalljails = false
our_long = 4

[sshd]
enabled = true
maxretry = 3
bantime.multipliers = 1 5 30 60
                      300
ignorecommand = /usr/local/bin/is-ours <ip>

[shop-login]
enabled = yes
filter = shop-login
failregex = ^.* login failed for .* from <HOST>$
            ^.* wrong code from <HOST>$
ignoreregex = probe
logtimezone =
datepattern = %%Y-%%m-%%d %%H:%%M:%%S
logpath = /srv/shop/log/*.log
maxretry = %(our_long)s
findtime = %(bantime)s
bantime = %(known/bantime)s
bantime.formula = ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)
colour = blue

[recidive]
enabled = true
"""


def imported(*texts: str, all_jails: bool = False) -> Imported:
    names = ("jail.conf", "jail.local", "jail.d.local")
    return import_fail2ban(
        [Source(name, text) for name, text in zip(names, texts, strict=False)], all_jails=all_jails
    )


def jails(result: Imported, folder: Path) -> Jails:
    path = folder / "f2b.toml"
    path.write_text(result.toml, "utf-8")
    return read_jails(path)


def toml(text: str, *, all_jails: bool = False) -> dict[str, Any]:
    return tomllib.loads(imported(text, all_jails=all_jails).toml)


# `%(known/bantime)s` refers to the section's own earlier value: give it one.
CONF_WITH_SHOP = f"{JAIL_CONF}\n[shop-login]\nbantime = 2h\n"


@pytest.fixture
def result() -> Imported:
    return imported(CONF_WITH_SHOP, JAIL_LOCAL)


def test_an_import_loads_as_jails_that_mean_the_same(result: Imported, tmp_path: Path) -> None:
    read = jails(result, tmp_path)
    assert set(read.policy.jails) == {"sshd", "shop-login", "recidive"}
    sshd = read.policy.jail("sshd")
    assert (sshd.windows, sshd.bantime_ms) == ((Window(3, 10 * MINUTE_MS),), 30 * MINUTE_MS)
    assert (sshd.increment, sshd.maxtime_ms, sshd.rndtime_ms) == (True, 35 * DAY_MS, 5 * MINUTE_MS)
    assert sshd.multipliers == (1, 5, 30, 60, 300)
    shop = read.policy.jail("shop-login")
    assert (shop.windows, shop.bantime_ms) == ((Window(4, 120 * MINUTE_MS),), 120 * MINUTE_MS)
    recidive = read.policy.jail("recidive")
    assert (recidive.recidive, recidive.windows, recidive.bantime_ms) == (True, (Window(5, DAY_MS),), 7 * DAY_MS)
    assert not sshd.recidive
    assert read.policy.jail("default").windows == (Window(5, 10 * MINUTE_MS),)
    assert [read.allowed.covers(parse_address(ip)) for ip in ("198.51.100.9", "2001:db8:7::1")] == [True, True]


def test_only_what_differs_from_the_defaults_stands_in_a_jail(result: Imported) -> None:
    assert tomllib.loads(result.toml)["jails"]["recidive"] == {
        "bantime": "1w",
        "findtime": "1d",
        "recidive": True,
    }


@pytest.mark.parametrize(
    ("option", "sections", "advice"),
    [
        ("action", "DEFAULT", "--ip-set"),
        ("action_", "DEFAULT", "--ip-set"),
        ("backend", "DEFAULT, sshd", "f2b-report --tail"),
        ("banaction", "DEFAULT, recidive", "--ip-set"),
        ("bantime.formula", "shop-login", "bantime.multipliers"),
        ("before", "INCLUDES", "not read"),
        ("chain", "DEFAULT", "web ACL"),
        ("colour", "shop-login", "no jail option that f2b knows"),
        ("datepattern", "shop-login", "f2b-report"),
        ("destemail", "DEFAULT", "[notices.NAME]"),
        ("failregex", "shop-login", "f2b-report --tail"),
        ("filter", "DEFAULT, shop-login", "f2b-report --tail"),
        ("ignorecommand", "sshd", "ignoreip"),
        ("ignoreregex", "shop-login", "f2b-report --tail"),
        ("ignoreself", "DEFAULT", "own_ranges"),
        ("logencoding", "DEFAULT", "f2b-report"),
        ("logpath", "sshd, shop-login", "f2b-report --tail"),
        ("maxmatches", "DEFAULT", "infractions"),
        ("mode", "DEFAULT", "f2b-report --tail"),
        ("port", "DEFAULT, sshd", "web ACL"),
        ("protocol", "DEFAULT", "web ACL"),
        ("usedns", "DEFAULT", "never resolved"),
    ],
)
def test_what_has_no_counterpart_is_told_once_with_what_to_do(
    result: Imported, option: str, sections: str, advice: str
) -> None:
    told = [note for note in result.notes if note.split(":")[0].split(" ")[0] == option]
    assert len(told) == 1
    assert told[0].startswith(f"{option} ({sections}): " if sections else f"{option}: ")
    assert advice in told[0]


def test_every_option_that_is_not_taken_over_is_told(result: Imported) -> None:
    told = {note.split(":")[0].split(" ")[0] for note in result.notes}
    lines = f"{CONF_WITH_SHOP}{JAIL_LOCAL}".splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith((" ", "#"))]
    written = {option.strip() for option, text in pairs if text.strip()}
    taken_over = {"bantime", "findtime", "maxretry", "ignoreip", "bantime.increment", "bantime.maxtime"}
    taken_over |= {"bantime.rndtime", "bantime.multipliers", "bantime.overalljails", "enabled"}
    variables = {"our_long"}
    assert told == written - taken_over - variables


def test_jails_that_are_not_imported_are_not_complained_about() -> None:
    assert not any("nginx" in note for note in imported(JAIL_CONF, JAIL_LOCAL).notes)


def test_a_host_name_in_ignoreip_is_told_and_left_out(result: Imported) -> None:
    told = "ignoreip = 'bastion.example.net': neither an address nor a CIDR, and f2b asks no DNS for host names"
    assert result.wrong == (f"DEFAULT: {told}: left out",)
    assert "bastion" not in result.toml


def test_a_later_file_overrides_an_earlier_one_option_by_option() -> None:
    first = "[a]\nenabled = true\nmaxretry = 3\nbantime = 1h\n"
    second = "[DEFAULT]\nfindtime = 2h\n[a]\nmaxretry = 7\n"
    assert tomllib.loads(imported(first, second).toml) == {
        "defaults": {"findtime": "2h"},
        "jails": {"a": {"maxretry": 7, "bantime": "1h"}},
    }


def test_a_local_file_before_a_conf_file_is_told_since_fail2ban_reads_them_the_other_way_round() -> None:
    notes = import_fail2ban([Source("jail.local", ""), Source("jail.conf", "")]).notes
    assert any(note.startswith("order of the files: ") for note in notes)
    names = ("fail2ban.local", "paths-debian.local", "jail.conf", "jail.d/x.conf", "jail.local")
    for right in (("jail.conf", "jail.local"), names):
        notes = import_fail2ban([Source(name, "") for name in right]).notes
        assert not any(note.startswith("order of the files: ") for note in notes)


def test_all_takes_over_what_is_not_enabled(tmp_path: Path) -> None:
    assert imported(JAIL_CONF).notes[-1] == "no jail is enabled: --all takes over those that are not enabled, too"
    assert set(jails(imported(JAIL_CONF, all_jails=True), tmp_path).policy.jails) == {
        "sshd",
        "nginx-http-auth",
        "recidive",
    }


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("maxretry = 3", "maxretry", 3),
        ("bantime = -1", "bantime", -1),
        ("bantime = 1d 12h", "bantime", "1d 12h"),
        ("bantime = 2 weeks 1 day", "bantime", "2 weeks 1 day"),
        ("bantime = 1d\n  12 h", "bantime", "1d 12 h"),
        ("bantime = 1h ; comment", "bantime", "1h"),
        ("bantime = 60*60*24", "bantime", 86_400),
        ("bantime = 3600 # one hour", "bantime", 3600),
        ("bantime = 10 20", "bantime", 30),
        ("bantime = (1h 30m) * 2", "bantime", 10_800),
        ("bantime = 1h - 5m", "bantime", 3300),
        ("bantime = 2 - 3", "bantime", -1),
        ("findtime = 1d12h", "findtime", "1d12h"),
        ("findtime = 90.9", "findtime", "90.9"),
        ("findtime = 90.9 # s", "findtime", 90.9),
        ("findtime = 60 / 8", "findtime", 7.5),
        ("bantime = 9**15", "bantime", 253_402_300_800),
        ("maxretry = 0", "maxretry", 1),
        ("maxretry = -3", "maxretry", 1),
        ("maxretry = +1_0 ; ten", "maxretry", 10),
        ("ignoreip = 192.0.2.1 # ours, 192.0.2.2", "ignoreip", ["192.0.2.1", "192.0.2.2"]),
        ("bantime.factor = 2 * 3", "bantime.factor", 6),
        ("bantime.factor = 2.0 / 4", "bantime.factor", 0.5),
        ("bantime.increment = False", "bantime.increment", False),
        ("bantime.increment = 1", "bantime.increment", True),
        ("bantime.factor = 1.5", "bantime.factor", 1.5),
        ("bantime.multipliers = 1 2 4", "bantime.multipliers", [1, 2, 4]),
        ("bantime.rndtime = 0", "bantime.rndtime", 0),
        ("bantime.overalljails = true", "bantime.overalljails", True),
        ("bantime.overalljails = no", "bantime.overalljails", False),
        ("dbpurgeage = 7d", "dbpurgeage", "7d"),
        ("ignoreself = false", "own_ranges", False),
        ("ignoreip = 192.0.2.0/255.255.255.0", "ignoreip", ["192.0.2.0/255.255.255.0"]),
        ("MaxRetry: 4", "maxretry", 4),
        ("twice = 20\nfindtime = %(twice)sm", "findtime", "20m"),
        ("findtime = %(DEFAULT/bantime)s\nbantime = 3h", "findtime", "3h"),
    ],
)
def test_an_option_becomes_its_counterpart(line: str, key: str, value: object) -> None:
    assert toml(f"[DEFAULT]\n{line}\n")["defaults"][key] == value


def test_a_jail_may_count_the_bans_of_all_jails_although_the_others_do_not(tmp_path: Path) -> None:
    policy = jails(imported("[a]\nenabled = 1\nbantime.overalljails = true\n[b]\nenabled = 1\n"), tmp_path).policy
    assert [policy.jail(name).overalljails for name in ("a", "b", "default")] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "recidive"),
    [
        ("[recidive]", True),
        ("[recidive]\nfilter = recidive", True),
        ("[repeat]\nfilter = recidive", True),
        ("[repeat]\nfilter = recidive[logtype=journal]", True),
        ("[recidive]\nmode = normal\nfilter = %(__name__)s[mode=%(mode)s]", True),
        ("[recidive]\nfilter = %(__name__)s[mode=%(mode)s]", True),
        ("[recidive]\nfilter = sshd", False),
        ("[sshd]", False),
        ("[not-recidive]", False),
    ],
)
def test_a_jail_is_fed_by_bans_if_its_filter_is_recidive(text: str, recidive: bool, tmp_path: Path) -> None:
    [jail] = jails(imported(f"{text}\nenabled = true\n"), tmp_path).policy.jails.values()
    assert jail.recidive is recidive


def test_of_a_jail_that_is_fed_by_bans_only_what_reads_fail2bans_log_goes_without_a_word() -> None:
    log = "filter = recidive\nlogpath = /var/log/fail2ban.log\nbackend = polling\n"
    told = imported(f"[repeat]\nenabled = true\n{log}failregex = Ban <HOST>\nport = 22\n").notes
    assert [note.split(" ")[0] for note in told] == ["failregex", "port"]


def test_a_recidive_of_one_jail_is_told_to_be_one_of_all() -> None:
    told = imported('[repeat]\nenabled = true\nfilter = recidive[_jailname="sshd"]\n').notes
    assert told == ("filter (repeat): f2b has no _jailname: the bans of all other jails count",)


def test_a_list_file_of_ignoreip_stays_one(tmp_path: Path) -> None:
    listed = tmp_path / "ours.txt"
    listed.write_text("198.51.100.7\n")
    read = jails(imported(f"[DEFAULT]\nignoreip = file:{listed}\n"), tmp_path)
    assert read.allowed.covers(parse_address("198.51.100.7"))


def test_dbpurgeage_is_found_in_fail2ban_conf_and_the_servers_other_options_are_told(tmp_path: Path) -> None:
    result = imported("[Definition]\nloglevel = INFO\ndbpurgeage = -1\n")
    assert jails(result, tmp_path).policy.jail("default").forget_ms is None
    assert any(note.startswith("loglevel (Definition): ") for note in result.notes)


def test_a_jails_own_ignoreip_adds_only_what_is_new_and_the_difference_is_told(tmp_path: Path) -> None:
    result = imported(
        "[DEFAULT]\nignoreip = 192.0.2.1 192.0.2.2\n[a]\nenabled = 1\nignoreip = 192.0.2.2 192.0.2.3\n"
    )
    assert tomllib.loads(result.toml)["jails"]["a"] == {"ignoreip": ["192.0.2.3"]}
    assert "ignoreip (a): a jail's own list adds to that of the defaults, and does not replace it" in result.notes
    jails(result, tmp_path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("bantime = soon", "bantime = 'soon': 'soon' is no duration"),
        ("bantime = 0", "bantime = '0': f2b takes more than 0"),
        ("maxretry = many", "maxretry = 'many': f2b takes 1 to 1000"),
        ("maxretry =", "maxretry = '': it is empty"),
        ("maxretry = 5 # five", "maxretry = '5 # five': f2b takes 1 to 1000"),
        ("maxretry = <retries>", "maxretry = '<retries>': f2b takes 1 to 1000"),
        ("maxretry = 25000", "maxretry = '25000': f2b takes 1 to 1000"),
        ("findtime =", "findtime = '': it is empty"),
        ("findtime = -1", "findtime = '-1': f2b takes more than 0"),
        ("findtime = 0/2", "findtime = '0/2': f2b takes more than 0"),
        ("bantime = -2", "bantime = '-2': f2b takes more than 0, or -1"),
        ("bantime = 0600", "bantime = '0600': '0600' is no duration"),
        ("bantime = 9**9**9", "bantime = '9**9**9': '9**9**9' is no duration"),
        ("bantime = __import__('os')", "bantime = \"__import__('os')\": "),
        ("maxretry = 5000", "maxretry = '5000': f2b takes 1 to 1000"),
        ("bantime.increment = perhaps", "bantime.increment = 'perhaps': neither true nor false"),
        ("bantime.overalljails = all", "bantime.overalljails = 'all': neither true nor false"),
        ("bantime.factor = 2 - 3", "bantime.factor = '2 - 3': f2b takes numbers above 0"),
        ("bantime.rndtime = -1", "bantime.rndtime = '-1': f2b takes 0 or more"),
        ("bantime.multipliers = 1 x", "bantime.multipliers = '1 x': f2b takes numbers above 0"),
        ("bantime = %(nothing)s", "bantime = '%(nothing)s': %(nothing)s is set nowhere in these files"),
        ("bantime = %(bantime)s", "bantime = '%(bantime)s': its %(…)s refers to itself"),
        ("bantime = 5%", "bantime = '5%': a single % means nothing: write %%"),
    ],
)
def test_a_value_that_cannot_be_taken_over_is_told_once_and_left_out(line: str, told: str, tmp_path: Path) -> None:
    result = imported(f"[DEFAULT]\n{line}\n[a]\nenabled = true\n")
    assert len(result.wrong) == 1
    assert result.wrong[0].startswith(f"DEFAULT: {told}")
    assert result.wrong[0].endswith(": left out")
    assert jails(result, tmp_path).policy.jail("a").bantime_ms == 10 * MINUTE_MS
    assert jails(result, tmp_path).policy.jail("a").observed or line.startswith("bantime.")


def test_a_default_that_a_jail_empties_is_told() -> None:
    result = imported("[DEFAULT]\nbantime.maxtime = 1w\n[a]\nenabled = 1\nbantime.maxtime =\n")
    assert result.wrong == ("a: bantime.maxtime is empty, but a jail of f2b cannot remove a default: left out",)


def test_an_enabled_that_is_neither_is_told() -> None:
    assert imported("[a]\nenabled = maybe\n").wrong == ("a: enabled = 'maybe': neither true nor false: left out",)


def test_a_jail_whose_name_f2b_does_not_allow_is_told(tmp_path: Path) -> None:
    result = imported("[my jail]\nenabled = true\n[a.b]\nenabled = true\nbantime = -1\n")
    assert result.wrong == ("[my jail]: a jail is named by 1-64 of A-Z a-z 0-9 . _ -: left out",)
    assert jails(result, tmp_path).policy.jail("a.b").bantime_ms == FOREVER_MS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bantime = 5\n", "line 1: stands before the first [section]"),
        ("[a]\nenabled = true\nnonsense\n", "line 3: neither [section] nor name = value"),
        ("[a]\nnonsense\nmore\n", "line 2: neither [section] nor name = value; line 3: neither"),
        ("[a]\n\n[a]\n", "line 3: [a] stands here twice"),
        ("[a]\nbantime = 1\nbantime = 2\n", "line 3: bantime stands twice in [a]"),
    ],
)
def test_an_ini_that_is_none_is_named_with_its_line(text: str, told: str) -> None:
    with pytest.raises(Fail2banFileError) as refused:
        imported(text)
    assert str(refused.value).startswith(f"jail.conf: {told}")
    assert "\n" not in str(refused.value)


def test_two_default_sections_in_one_file_are_one_as_in_fail2ban() -> None:
    assert toml("[DEFAULT]\nmaxretry = 3\n[DEFAULT]\nbantime = 1h\n") == {
        "defaults": {"maxretry": 3, "bantime": "1h"}
    }


def test_names_and_texts_of_any_characters_leave_toml_that_loads(tmp_path: Path) -> None:
    odd = "[DEFAULT]\nignoreip = file:caf\xe9\x7f\U0001f600\"'\n"
    text = import_fail2ban([Source("a\nb\U0001f600", odd)]).toml
    assert tomllib.loads(text)["defaults"]["ignoreip"] == ["file:caf\xe9\x7f\U0001f600\"'"]
