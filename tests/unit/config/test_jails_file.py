from pathlib import Path

import pytest

from f2b_worker.config.jails_file import Jails, jails_errors, read_jails
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.blocklists import Action, Blocklist, Collapse, Foreign, Scope
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, Jail, Window
from f2b_worker.domain.networks import NEVER_BANNED
from f2b_worker.errors import StartError

MINUTE_MS = 60_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f2b.toml"


def jails(file: Path, text: str) -> Jails:
    file.write_text(text, "utf-8")
    return read_jails(file)


def complaint(file: Path, text: str) -> str:
    with pytest.raises(StartError) as refused:
        jails(file, text)
    told = str(refused.value)
    assert told.startswith(f"{file}: ")
    return told.removeprefix(f"{file}: ")


def ignored(jail: Jail, *texts: str) -> list[bool]:
    return [jail.ignores(parse_address(text)) == "ignoreip" for text in texts]


@pytest.mark.parametrize("text", [None, "", "[defaults]\n", "[worker]\nqueue = 'f2b'\n", "[jails.default]\n"])
def test_what_nobody_sets_is_as_fail2ban_has_it(file: Path, text: str | None) -> None:
    policy = (read_jails(None) if text is None else jails(file, text)).policy
    jail = policy.jail("default")
    assert (jail.name, jail.windows, jail.bantime_ms) == ("default", (Window(5, 10 * MINUTE_MS),), 10 * MINUTE_MS)
    assert (jail.increment, jail.factor, jail.multipliers, jail.maxtime_ms) == (False, 1.0, (), None)
    assert (jail.rndtime_ms, jail.forget_ms, jail.own_ranges) == (0, DAY_MS, True)
    assert (jail.ipv4_prefix, jail.ipv6_prefix) == (32, 64)


def test_every_key_reaches_its_jail(file: Path) -> None:
    text = """
        [jails.login]
        maxretry = 3
        findtime = "1h"
        bantime = "1d12h"
        "bantime.increment" = true
        "bantime.factor" = 2
        "bantime.multipliers" = [1, 5, 30]
        "bantime.maxtime" = "5w"
        "bantime.rndtime" = 90
        dbpurgeage = "7d"
        own_ranges = false
        "prefix.ipv4" = 24
        "prefix.ipv6" = 48
    """
    jail = jails(file, text).policy.jail("login")
    assert (jail.name, jail.windows) == ("login", (Window(3, 60 * MINUTE_MS),))
    assert (jail.bantime_ms, jail.increment, jail.factor) == (3 * DAY_MS // 2, True, 2.0)
    assert (jail.multipliers, jail.maxtime_ms, jail.rndtime_ms) == ((1.0, 5.0, 30.0), 35 * DAY_MS, 90_000)
    assert (jail.forget_ms, jail.own_ranges) == (7 * DAY_MS, False)
    assert (jail.ipv4_prefix, jail.ipv6_prefix) == (24, 48)


def test_a_jail_inherits_what_it_leaves_out_and_changes_only_itself(file: Path) -> None:
    policy = jails(file, "[defaults]\nmaxretry = 3\nbantime = '1h'\n[jails.scan]\nmaxretry = 9\n").policy
    assert (policy.jail("scan").windows, policy.jail("scan").bantime_ms) == ((Window(9, 600_000),), 3_600_000)
    assert policy.jail("default").windows == policy.jail("unknown").windows == (Window(3, 600_000),)


def test_a_jail_named_default_is_the_default_jail(file: Path) -> None:
    policy = jails(file, "[jails.default]\nmaxretry = 2\n").policy
    assert policy.jail("default").windows == (Window(2, 600_000),)


def test_ignoreip_of_a_jail_adds_to_that_of_the_defaults(file: Path) -> None:
    read = jails(
        file, "[defaults]\nignoreip = ['198.51.100.0/24']\n[jails.a]\nignoreip = ['2001:db8::7']\n[jails.b]\n"
    )
    everyone = ("198.51.100.7", "2001:db8::7")
    assert ignored(read.policy.jail("a"), *everyone) == [True, True]
    assert (
        ignored(read.policy.jail("b"), *everyone)
        == ignored(read.policy.jail("unknown"), *everyone)
        == [True, False]
    )
    assert [read.allowed.covers(parse_address(text)) for text in everyone] == [True, False]


def test_ignoreip_forgives_host_bits(file: Path) -> None:
    policy = jails(file, "[defaults]\nignoreip = ['198.51.100.9/24']\n").policy
    assert ignored(policy.jail("default"), "198.51.100.7") == [True]


def test_ignoreip_in_ipv4_mapped_form_is_the_ipv4_address_that_it_carries(file: Path) -> None:
    policy = jails(file, "[defaults]\nignoreip = ['::ffff:203.0.113.7']\n").policy
    assert ignored(policy.jail("default"), "203.0.113.7") == [True]


FAST_AND_SLOW = "windows = [{maxretry = 3, findtime = '1m'}, {maxretry = 20, findtime = '1d'}]\n"


def test_a_jail_may_have_several_windows(file: Path) -> None:
    policy = jails(file, f"[jails.login]\n{FAST_AND_SLOW}").policy
    assert policy.jail("login").windows == (Window(3, MINUTE_MS), Window(20, DAY_MS))


@pytest.mark.parametrize(
    ("own", "windows"),
    [
        ("", (Window(3, MINUTE_MS), Window(20, DAY_MS))),
        ("bantime = '1h'", (Window(3, MINUTE_MS), Window(20, DAY_MS))),
        ("maxretry = 9", (Window(9, 600_000),)),
        ("findtime = 60", (Window(5, MINUTE_MS),)),
        ("windows = [{maxretry = 1, findtime = 1}]", (Window(1, 1000),)),
    ],
    ids=["inherited", "inherited-with-bantime", "own-maxretry", "own-findtime", "own-windows"],
)
def test_windows_of_the_defaults_hold_until_a_jail_says_otherwise(
    file: Path, own: str, windows: tuple[Window, ...]
) -> None:
    policy = jails(file, f"[defaults]\n{FAST_AND_SLOW}[jails.scan]\n{own}\n").policy
    assert policy.jail("scan").windows == windows


def test_minus_one_bans_for_ever_and_remembers_for_ever(file: Path) -> None:
    jail = jails(file, "[defaults]\nbantime = -1\ndbpurgeage = '-1'\n").policy.jail("default")
    assert (jail.bantime_ms, jail.forget_ms) == (FOREVER_MS, None)


DURATION = "is no duration: seconds or a sum such as 10m, 1d12h, 1w2d; -1 for ever"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[defaults]\nmaxretry = 0", "defaults.maxretry: must be 1 or more"),
        ("[defaults]\nmaxretry = 1001", "defaults.maxretry: must be 1000 or less"),
        ("[defaults]\nfindtime = 'soon'", f"defaults.findtime: 'soon' {DURATION}"),
        ("[defaults]\nfindtime = 0", "defaults.findtime: must be more than 0"),
        ("[jails.a]\nbantime = -600", f"jails.a.bantime: -600 {DURATION}"),
        ("[jails.a]\n'bantime.maxtime' = true", f"jails.a.bantime.maxtime: True {DURATION}"),
        ("[jails.a]\n'bantime.factor' = 0", "jails.a.bantime.factor: must be more than 0"),
        ("[jails.a]\nbantme = 5", "jails.a.bantme: no such key; did you mean bantime?"),
        ("[jails.a]\nincrement = true", 'jails.a.increment: no such key; did you mean "bantime.increment"?'),
        ("[default]\nmaxretry = 5", "default: no such key; did you mean defaults?"),
        (
            "[defaults]\nignoreip = ['localhost']",
            "defaults.ignoreip.0: 'localhost' is neither an address nor a CIDR",
        ),
        ("[defaults]\n'prefix.ipv4' = 33", "defaults.prefix.ipv4: must be 32 or less"),
        ("[defaults]\n'prefix.ipv6' = 0", "defaults.prefix.ipv6: must be 1 or more"),
        ("[defaults]\nwindows = [{maxretry = 3}]", "defaults.windows.0.findtime: is missing"),
        (
            "[defaults]\nwindows = [{maxretry = 3, findtime = 60, bantime = 5}]",
            "defaults.windows.0.bantime: no such key; did you mean findtime?",
        ),
        (
            "[defaults]\nbantime.increment = true",
            'defaults.bantime: TOML needs quotes around a key with a dot: write "bantime.increment"',
        ),
        ("[defaults]\nbantime = {}", f"defaults.bantime: {{}} {DURATION}"),
        ("[jails.windows]\nmaxrety = 5", "jails.windows.maxrety: no such key; did you mean maxretry?"),
        ("[jails.a]\nzzz = 5", "jails.a.zzz: no such key"),
        ("[jails.a]\nenabled = true", "jails.a.enabled: leave it out: every jail in this file is on"),
        (
            "[jails.a]\nsender = 'me@example.com'",
            "jails.a.sender: no such key: write who is told of bans as [notices.NAME], see docs/how-to/notices.md",
        ),
        ("[sshd]\nmaxretry = 3", "sshd: no such key; a jail is written as [jails.sshd]"),
        ("maxretry = 3", "maxretry: no such key; write it under [defaults] or [jails.NAME]"),
        ("'bantime.factor' = 3", "bantime.factor: no such key; write it under [defaults] or [jails.NAME]"),
        ("bantime.factor = 3", "bantime: no such key; write it under [defaults] or [jails.NAME]"),
        ("[jails.'a b']", "jails.a b: must be a name: 1-64 of A-Z a-z 0-9 . _ -"),
    ],
)
def test_a_wrong_line_is_named_by_file_and_key_with_what_is_allowed(file: Path, text: str, told: str) -> None:
    assert complaint(file, text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("defaults = 5", "defaults: must be a table: begin it with [defaults]"),
        ("jails = 5", "jails: must be a table: begin it with [jails]"),
        ("[jails]\na = 5", "jails.a: must be a table: begin it with [jails.a]"),
        ("worker = 5", "worker: must be a table: begin it with [worker]"),
        ("[defaults]\nmaxretry = '5'", "defaults.maxretry: must be a whole number"),
        ("[defaults]\n'bantime.factor' = 'two'", "defaults.bantime.factor: must be a number"),
        ("[defaults]\n'bantime.factor' = inf", "defaults.bantime.factor: must be a finite number"),
        ("[defaults]\n'bantime.multipliers' = 2", "defaults.bantime.multipliers: must be a list, in [ ]"),
        ("[defaults]\nmode = 'watch'", "defaults.mode: must be 'enforce' or 'observe'"),
        (
            "[defaults]\nescalation = 5",
            "defaults.escalation: must be a table: begin it with [defaults.escalation]",
        ),
        ("[defaults]\nblocklist = []", "defaults.blocklist: must name one at least"),
        ("[defaults]\nblocklist = [5]", "defaults.blocklist.0: must be text, in quotes"),
        (
            "[blocklists.a]\nip_set = 'f2b'\nscope = 'EDGE'",
            "blocklists.a.scope: must be 'REGIONAL' or 'CLOUDFRONT'",
        ),
        ("[defaults]\nignoreip = '203.0.113.7'", "defaults.ignoreip: must be a list, in [ ]"),
        ("[defaults]\nignoreip = [5]", "defaults.ignoreip.0: 5 is no text"),
        ("[defaults]\nignoreip = [true]", "defaults.ignoreip.0: True is no text"),
        ("[defaults]\nwindows = 5", "defaults.windows: must be a list, in [ ]"),
        ("[defaults]\nwindows = [5]", "defaults.windows.0: must be a table"),
        ("[defaults]\nown_ranges = 'perhaps'", "defaults.own_ranges: must be true or false"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_place_with_the_right_kind(
    file: Path, text: str, told: str
) -> None:
    assert complaint(file, text) == told


def test_all_errors_are_told_at_once_on_one_line(file: Path) -> None:
    told = complaint(file, "[jails.a]\nmaxretry = 0\nbantme = 5\n[jails.b]\nbantime = 'x'\n[typo]\n")
    assert told.split("; jails.b")[0].split("; jails.a") == [
        "jails.a.maxretry: must be 1 or more",
        ".bantme: no such key; did you mean bantime?",
    ]
    assert "jails.b.bantime: 'x'" in told
    assert "typo: no such key" in told
    assert "\n" not in told


def test_an_error_in_the_defaults_is_told_once_and_not_of_every_jail(file: Path) -> None:
    told = complaint(file, "[defaults]\nmaxretry = 0\n[jails.a]\n[jails.b]\n")
    assert told == "defaults.maxretry: must be 1 or more"


def test_an_entry_of_a_jail_is_named_by_its_own_place_in_the_file(file: Path) -> None:
    told = complaint(file, "[defaults]\nignoreip = ['198.51.100.1']\n[jails.a]\nignoreip = ['x']\n")
    assert told == "jails.a.ignoreip.0: 'x' is neither an address nor a CIDR"


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(StartError) as refused:
        read_jails(file)
    assert str(refused.value) == f"{file}: cannot be read: No such file or directory"


@pytest.mark.parametrize("text", ["[defaults", "maxretry 5", "a = 1\na = 2", "[defaults]\nbantime = 10m"])
def test_a_file_that_is_no_toml_is_named(file: Path, text: str) -> None:
    assert complaint(file, text).startswith("not TOML: ")


def test_a_file_in_another_encoding_is_named(file: Path) -> None:
    file.write_bytes(b"[defaults]\n# caf\xe9\n")
    with pytest.raises(StartError, match="not TOML: 'utf-8' codec"):
        read_jails(file)


@pytest.mark.parametrize(
    "text",
    ["maxretry = " + "9" * 5000, "maxretry = " + "[" * 5000],
    ids=["huge-number", "deep-nesting"],
)
def test_a_file_beyond_all_bounds_is_an_error_of_the_file_too(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(StartError):
        read_jails(file)


@pytest.mark.parametrize(
    "line",
    [
        "'bantime.factor' = inf",
        "'bantime.factor' = nan",
        "'bantime.multipliers' = [1, -5]",
        "'bantime.multipliers' = [1, nan]",
        "'bantime.multipliers' = [1, inf]",
        "'bantime.maxtime' = 0",
    ],
)
def test_a_jail_whose_ban_would_have_no_length_is_refused(file: Path, line: str) -> None:
    key = line.split("'")[1]
    assert f"defaults.{key}" in complaint(file, f"[defaults]\n'bantime.increment' = true\n{line}\n")


def test_a_factor_of_any_size_gives_a_ban_of_some_length(file: Path) -> None:
    jail = jails(file, "[defaults]\n'bantime.increment' = true\n'bantime.factor' = 1e300\n").policy.jail("default")
    assert jail.ban_length_ms(50, seed="s") == FOREVER_MS


@pytest.mark.parametrize("line", ["maxretry = true", "'prefix.ipv4' = true"])
def test_true_is_no_number(file: Path, line: str) -> None:
    assert complaint(file, f"[defaults]\n{line}\n").startswith("defaults.")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("'bantime.formula' = 'ban.Time * 2'", '"bantime.multipliers"'),
        ("ignoreself = true", "own_ranges"),
    ],
)
@pytest.mark.parametrize("table", ["defaults", "jails.a"])
def test_a_key_of_fail2ban_that_f2b_lacks_is_refused_with_what_to_write_instead(
    file: Path, table: str, line: str, instead: str
) -> None:
    told = complaint(file, f"[{table}]\n{line}\n")
    key = line.partition(" = ")[0].strip("'")
    assert told.startswith(f"{table}.{key}: ")
    assert instead in told


def test_a_jail_says_where_it_is_enforced_and_from_which_ban_on_elsewhere(file: Path) -> None:
    text = """
        [defaults]
        blocklist = "captcha"
        [jails.login]
        escalation = { 5 = ["block", "edge"], 3 = "block" }
        [jails.scan]
        blocklist = ["block", "captcha"]
        [blocklists.captcha]
        ip_set = "f2b-captcha"
        foreign = "adopt"
        collapse = { at_least = 16 }
        [blocklists.edge]
        ip_set = ["edge", "edge-old"]
        scope = "CLOUDFRONT"
    """
    found = jails(file, text)
    login = found.policy.jail("login")
    assert [login.blocklists_of(count) for count in (1, 2, 3, 4, 5, 6)] == [
        *[("captcha",)] * 2, *[("block",)] * 2, *[("block", "edge")] * 2,
    ]  # fmt: skip
    assert found.policy.jail("scan").blocklists_of(9) == ("block", "captcha")
    assert found.blocklists == (
        Blocklist(
            "captcha",
            ("f2b-captcha",),
            foreign=Foreign.ADOPT,
            collapse=Collapse(16, 24, 48),
            action=Action.CAPTCHA,
        ),
        Blocklist("edge", ("edge", "edge-old"), scope=Scope.CLOUDFRONT),
    )


def test_the_blocklist_of_the_command_line_may_be_described_without_its_ip_sets(file: Path) -> None:
    assert jails(file, "[blocklists.block]\nforeign = 'remove'\n").blocklists == (
        Blocklist("block", (), foreign=Foreign.REMOVE),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[defaults]\nblocklist = 'captch'\n[blocklists.captcha]\nip_set = 'a'",
         "defaults.blocklist: no blocklist 'captch'; did you mean captcha?"),
        ("[jails.a]\nblocklist = ['block', 'x']",
         "jails.a.blocklist: no blocklist 'x'; define it as [blocklists.x]"),
        ("[jails.a]\nescalation = {3 = 'blok'}", "jails.a.escalation.3: no blocklist 'blok'; did you mean block?"),
        ("[blocklists.captcha]", 'blocklists.captcha: no ip_set: name one, as in ip_set = "f2b-captcha"'),
        ("[defaults]\nrecidive = true", "defaults.recidive: every jail would be fed by the others"),
        ("[jails.a]\nescalation = {0 = 'block'}", "jails.a.escalation.0: "),
        ("[jails.a]\nblocklist = []", "jails.a.blocklist: "),
        ("[blocklists.b]\nip_set = 'a'\nscoop = 1", "blocklists.b.scoop: no such key; did you mean scope?"),
        ("[blocklists.b]\nip_set = 'a'\ncollapse = {at_lest = 2, at_least = 2}",
         "blocklists.b.collapse.at_lest: no such key; did you mean at_least?"),
    ],
)  # fmt: skip
def test_a_blocklist_that_cannot_be_meant_is_named_with_what_to_write(file: Path, text: str, told: str) -> None:
    assert told in complaint(file, f"{text}\n")


def test_what_does_not_fit_together_is_told_beside_what_is_wrong_alone(file: Path) -> None:
    file.write_text("[jails.a]\nmaxretries = 3\nblocklist = 'captcha'\n", "utf-8")
    assert len(jails_errors(file)) == 2


def test_no_collapsed_network_may_hit_whom_any_jail_ignores_or_who_is_never_banned(file: Path) -> None:
    text = (
        "[defaults]\nignoreip = ['203.0.113.1']\n[jails.a]\nignoreip = ['203.0.113.2']\n"
        "[jails.b]\nown_ranges = false\nignoreip = ['2001:db8::/32']\n"
    )
    read = jails(file, text)
    everyone = ("203.0.113.1", "203.0.113.2", "2001:db8::7", "10.0.0.1", "fec0::1", "203.0.113.3")
    assert [read.apart.covers(parse_address(text)) for text in everyone] == [True, True, True, True, True, False]
    assert [read.allowed.covers(parse_address(text)) for text in everyone] == [True, *[False] * 5]
    assert read_jails(None).apart.entries == NEVER_BANNED.entries


def test_a_bom_before_the_file_is_no_part_of_it(file: Path) -> None:
    assert jails(file, "\ufeff[defaults]\nmaxretry = 7\n").policy.defaults.windows[0].maxretry == 7


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_file_in_utf_16_is_named_as_that(file: Path, encoding: str) -> None:
    file.write_bytes("\ufeff[defaults]".encode(encoding))
    assert jails_errors(file)[0].endswith("; the file is UTF-16: save it as UTF-8")


def test_white_space_around_an_address_in_ignoreip_does_not_matter(file: Path) -> None:
    read = jails(file, "[defaults]\nignoreip = [' 203.0.113.7 ', '\t2001:db8::/32']\n")
    assert ignored(read.policy.jail("default"), "203.0.113.7", "2001:db8::7") == [True, True]


LIST = """\ufeff# our own
198.51.100.7
2001:db8::/32   # the office

  203.0.113.0/24
"""


@pytest.mark.parametrize("name", ["ours.txt", "lists/ours.txt", "{folder}/ours.txt"])
def test_ignoreip_reads_a_list_beside_the_file_or_anywhere(file: Path, name: str) -> None:
    name = name.format(folder=file.parent)
    (file.parent / name).parent.mkdir(exist_ok=True)
    (file.parent / name).write_text(LIST, "utf-8")
    read = jails(file, f"[defaults]\nignoreip = ['192.0.2.1', 'file:{name}']\n")
    addresses = ("192.0.2.1", "198.51.100.7", "2001:db8::1", "203.0.113.200", "198.51.100.8")
    assert ignored(read.policy.jail("default"), *addresses) == [True, True, True, True, False]
    assert [read.allowed.covers(parse_address(text)) for text in addresses] == [True, True, True, True, False]


def test_a_list_of_a_jail_is_its_own(file: Path) -> None:
    (file.parent / "ours.txt").write_text("198.51.100.7\n")
    policy = jails(file, "[jails.a]\nignoreip = ['file:ours.txt']\n[jails.b]\n").policy
    assert [ignored(policy.jail(name), "198.51.100.7") for name in ("a", "b")] == [[True], [False]]


def test_an_empty_list_ignores_nobody(file: Path) -> None:
    (file.parent / "ours.txt").write_text("# nobody yet\n")
    assert jails(file, "[defaults]\nignoreip = ['file:ours.txt']\n").allowed.entries == ()


def test_each_wrong_line_of_a_list_is_named_with_file_and_line(file: Path) -> None:
    listed = file.parent / "ours.txt"
    listed.write_text("198.51.100.7\nlocalhost # here\n198.51.100.0/33\n")
    told = complaint(file, "[defaults]\nignoreip = ['file:ours.txt']\n")
    assert told == (
        f"defaults.ignoreip.0: {listed}:2: 'localhost' is neither an address nor a CIDR; "
        f"defaults.ignoreip.0: {listed}:3: '198.51.100.0/33' is neither an address nor a CIDR"
    )


def test_a_list_that_is_something_else_is_not_told_line_by_line(file: Path) -> None:
    (file.parent / "ours.txt").write_text("x\n" * 1000)
    file.write_text("[defaults]\nignoreip = ['file:ours.txt']\n")
    errors = jails_errors(file)
    assert len(errors) == 11
    assert errors[-1].endswith("ours.txt: 990 more")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("file:nowhere.txt", "nowhere.txt: cannot be read: No such file or directory"),
        ("file:", "cannot be read: Is a directory"),
        ("file:latin.txt", "latin.txt: cannot be read: 'utf-8' codec"),
        ("file:\\u0000", "cannot be read: embedded null"),
    ],
)
def test_a_list_that_cannot_be_read_is_named(file: Path, entry: str, told: str) -> None:
    (file.parent / "latin.txt").write_bytes(b"# caf\xe9\n")
    said = complaint(file, f'[defaults]\nignoreip = ["{entry}"]\n')
    assert said.startswith("defaults.ignoreip.0: ")
    assert told in said


def test_all_errors_can_be_had_one_by_one_each_with_the_file(file: Path) -> None:
    (file.parent / "ours.txt").write_text("x\ny\n")
    file.write_text("[jails.a]\nmaxretry = 0\nbantme = 5\n[jails.b]\nignoreip = ['file:ours.txt']\n")
    errors = jails_errors(file)
    assert len(errors) == 4
    assert all(error.startswith(f"{file}: jails.") and "\n" not in error for error in errors)


def test_a_file_that_is_right_has_no_errors(file: Path) -> None:
    file.write_text("[jails.a]\n")
    assert jails_errors(file) == []


@pytest.mark.parametrize("text", [None, "[defaults"])
def test_a_file_that_cannot_be_read_is_one_error(file: Path, text: str | None) -> None:
    if text is not None:
        file.write_text(text)
    (error,) = jails_errors(file)
    assert error.startswith(f"{file}: ")


def test_a_jail_may_only_observe(tmp_path: Path) -> None:
    path = tmp_path / "f2b.toml"
    path.write_text('[jails.login]\nmode = "observe"\n[jails.scan]\n')
    jails = read_jails(path).policy.jails

    assert (jails["login"].observed, jails["scan"].observed) == (True, False)
