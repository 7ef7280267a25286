"""`f2b check`, `init` and `import-fail2ban`: what they write, and with which exit code they end."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from f2b_worker.cli.f2b import main
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.jails_schema import JailTable
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.jails import DAY_MS, MINUTE_MS, Window
from f2b_worker.domain.networks import Networks
from tests.environment import forget_settings

NOBODY = Networks()


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings from outside, and a folder of the test's own."""
    forget_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="f2b")


def checked(here: Path, text: str) -> Result:
    (here / "f2b.toml").write_text(text, "utf-8")
    return run("check", "--config", "f2b.toml")


def test_check_shows_what_the_jails_of_a_right_file_mean(here: Path) -> None:
    answer = checked(
        here,
        """
        [defaults]
        ignoreip = ["198.51.100.0/24"]
        [jails.login]
        windows = [{maxretry = 3, findtime = "10m"}, {maxretry = 20, findtime = "1d12h"}]
        bantime = "1h"
        "bantime.increment" = true
        "bantime.maxtime" = "1w"
        ignoreip = ["192.0.2.1"]
        [jails.scan]
        findtime = 0.5
        bantime = -1
        "bantime.increment" = true
        "bantime.multipliers" = [1, 2.5]
        "bantime.factor" = 2
        """,
    )
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.splitlines() == [
        "JAIL     WINDOWS                BANTIME   INCREMENT               IGNORED",
        "default  5 in 10m               10m       no                      1",
        "login    3 in 10m, 20 in 1d12h  1h        doubling, at most 7d    2",
        "scan     5 in 500ms             for ever  1, 2.5 times, factor 2  1",
    ]


def test_check_tells_every_error_at_once_a_line_each_with_file_key_and_what_is_allowed(here: Path) -> None:
    answer = checked(
        here,
        """
        [worker]
        processes = 0
        scope = "MOON"
        quue = "f2b"
        [defaults]
        ignoreip = ["localhost"]
        [jails.a]
        maxretry = 0
        bantme = 5
        """,
    )
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.splitlines() == [
        "f2b.toml: defaults.ignoreip.0: 'localhost' is neither an address nor a CIDR",
        "f2b.toml: jails.a.maxretry: must be 1 or more",
        "f2b.toml: jails.a.bantme: no such key; did you mean bantime?",
        "f2b.toml: worker.quue: no such key; did you mean queue?",
        "f2b.toml: worker.scope: must be 'REGIONAL' or 'CLOUDFRONT'",
        "f2b.toml: worker.processes: must be 1 or more",
    ]


@pytest.mark.parametrize("text", ["", "[worker]\n", "[worker]\nqueue = 'f2b'\nip_set = ['f2b', 'more']\n"])
def test_check_needs_no_queue(here: Path, text: str) -> None:
    assert checked(here, text).exit_code == 0


def test_the_environment_hides_nothing_that_is_wrong_in_the_worker_table(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("F2B_PROCESSES", "2")
    answer = checked(here, "[worker]\nprocesses = 0\n")
    assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
    assert "f2b.toml: worker.processes: " in answer.stderr


@pytest.mark.parametrize("text", ["[defaults", "worker = 5\n"])
def test_check_tells_what_concerns_the_whole_file_once(here: Path, text: str) -> None:
    answer = checked(here, text)
    assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
    assert answer.stderr.startswith("f2b.toml: ")


def test_check_takes_its_file_from_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "other.toml").write_text("[jails.a]\nmaxretry = 0\n")
    monkeypatch.setenv("F2B_CONFIG", "other.toml")
    answer = run("check")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("other.toml: jails.a.maxretry: ")


def test_check_without_a_file_is_wrong_usage() -> None:
    answer = run("check")
    assert answer.exit_code == 2
    assert "give --config FILE, or set F2B_CONFIG" in answer.stderr


def test_init_writes_the_file_that_ships_and_check_finds_nothing_wrong_in_it(here: Path) -> None:
    assert run("init").exit_code == 0
    assert (here / "f2b.toml").read_text("utf-8") == shipped()
    assert run("check", "--config", "f2b.toml").exit_code == 0


def test_init_overwrites_nothing_unless_forced(here: Path) -> None:
    file = here / "mine.toml"
    file.write_text("precious")
    answer = run("init", "mine.toml")
    assert answer.exit_code == 1
    assert answer.stderr == "f2b: mine.toml is there already: --force overwrites it\n"
    assert file.read_text() == "precious"
    assert run("init", "mine.toml", "--force").exit_code == 0
    assert file.read_text("utf-8") == shipped()


def test_init_prints_for_a_dash(here: Path) -> None:
    assert run("init", "-").stdout == shipped()
    assert list(here.iterdir()) == []


def test_init_names_a_place_where_it_cannot_write() -> None:
    answer = run("init", "nowhere/f2b.toml")
    assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
    assert "nowhere/f2b.toml: cannot be written: No such file or directory" in answer.stderr


def shipped() -> str:
    return resources.files("f2b_worker.config").joinpath("f2b.toml").read_text("utf-8")


def test_the_file_that_ships_has_fail2bans_defaults_and_four_jails(here: Path) -> None:
    (here / "f2b.toml").write_text(shipped(), "utf-8")
    policy = read_jails(here / "f2b.toml").policy
    assert replace(policy.defaults, ignore=NOBODY) == replace(read_jails(None).policy.defaults, ignore=NOBODY)
    assert set(policy.jails) == {"login", "scan", "admin", "recidive"}
    assert policy.jail("admin").windows == (Window(3, 10 * MINUTE_MS), Window(6, DAY_MS))


def test_the_file_that_ships_explains_every_key() -> None:
    written = set(re.findall(r'^ *#?"?([a-z0-9_.]+)"? = ', shipped(), re.MULTILINE))
    assert {field.alias or name for name, field in JailTable.model_fields.items()} <= written


def test_what_is_commented_out_in_the_file_that_ships_is_right_too(here: Path) -> None:
    text = re.sub(
        r'^#(?=\[worker\]|\[blocklists\.|\[notices|"?[a-z_.0-9]+"? = )', "", shipped(), flags=re.MULTILINE
    )
    (here / "f2b.toml").write_text(text, "utf-8")
    assert run("check", "--config", "f2b.toml").exit_code == 0
    read = tomllib.loads(text)
    assert read["worker"].keys() <= WorkerSettings.model_fields.keys()
    told_otherwise = {"bantime.increment", "bantime.maxtime", "ignoreip"}
    defaults = JailTable().model_dump(by_alias=True)
    given = JailTable.model_validate(read["defaults"]).model_dump(by_alias=True)
    differing = {key for key in read["defaults"] if given[key] != defaults[key]}
    assert differing <= told_otherwise


JAIL_LOCAL = "[DEFAULT]\nport = 22\n[sshd]\nenabled = true\nmaxretry = 3\n[off]\nbantime = 1w\n"


def test_import_prints_jails_and_tells_beside_them_what_has_no_counterpart(here: Path) -> None:
    (here / "jail.local").write_text(JAIL_LOCAL)
    answer = run("import-fail2ban", "jail.local")
    assert answer.exit_code == 0
    assert tomllib.loads(answer.stdout) == {"defaults": {}, "jails": {"sshd": {"maxretry": 3}}}
    assert answer.stderr.startswith("not the same: port (DEFAULT): ")


def test_import_writes_a_file_that_loads_and_overwrites_nothing_unless_forced(here: Path) -> None:
    (here / "jail.local").write_text(JAIL_LOCAL)
    arguments = ("import-fail2ban", "jail.local", "--all", "--output", "f2b.toml")
    assert (run(*arguments).exit_code, run(*arguments).exit_code) == (0, 1)
    assert run(*arguments, "--force").exit_code == 0
    assert set(read_jails(here / "f2b.toml").policy.jails) == {"sshd", "off"}


def test_import_ends_with_1_when_something_could_not_be_taken_over(here: Path) -> None:
    (here / "jail.local").write_text("[sshd]\nenabled = true\nignoreip = localhost 192.0.2.1\n")
    answer = run("import-fail2ban", "jail.local")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("wrong: sshd: ignoreip = 'localhost': ")
    assert tomllib.loads(answer.stdout)["jails"] == {"sshd": {"ignoreip": ["192.0.2.1"]}}


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"[a]\nnonsense\n", "line 2: neither [section] nor name = value"), (b"# caf\xe9\n", "not UTF-8: ")],
)
def test_import_names_a_file_that_is_no_ini_with_its_line(here: Path, content: bytes, told: str) -> None:
    (here / "jail.local").write_bytes(content)
    answer = run("import-fail2ban", "jail.local")
    assert (answer.exit_code, answer.stdout, answer.stderr.count("\n")) == (1, "", 1)
    assert answer.stderr.startswith(f"f2b: jail.local: {told}")


def stock(folder: Path) -> None:
    """As a Debian has it: an included file that nobody has, and neither a jail.local nor a jail.d/*.local."""
    (folder / "jail.d").mkdir()
    (folder / "action.d").mkdir()
    (folder / "jail.conf").write_text(
        "[INCLUDES]\nbefore = paths.conf\n[DEFAULT]\nmaxretry = 5\naction = fence[port=22]\n[sshd]\nbantime = 1h\n"
    )
    (folder / "paths.conf").write_text("[INCLUDES]\nafter = paths-overrides.local\n[DEFAULT]\nfindtime = 5m\n")
    (folder / "jail.d" / "defaults.conf").write_text("[sshd]\nenabled = true\n")
    (folder / "fail2ban.conf").write_text("[DEFAULT]\nloglevel = INFO\ndbpurgeage = 2d\n[Definition]\n")
    (folder / "action.d" / "fence.conf").write_text("[Definition]\nactionban = ipset add fence <ip>\n")


@pytest.mark.parametrize(
    ("named", "keys"),
    [
        ((".",), {"maxretry", "findtime", "dbpurgeage"}),
        (("jail.conf", "jail.d/defaults.conf", "jail.local", "jail.d/*.local"), {"maxretry", "findtime"}),
    ],
)
def test_the_documented_command_works_on_a_stock_debian(
    named: tuple[str, ...], keys: set[str], here: Path
) -> None:
    stock(here)
    answer = run("import-fail2ban", *named, "--output", "f2b.toml")
    assert answer.exit_code == 0, answer.stderr
    written = tomllib.loads((here / "f2b.toml").read_text())
    assert (written["defaults"].keys(), written["jails"]) == (keys, {"sshd": {"bantime": "1h"}})
    skipped = [line for line in answer.stderr.splitlines() if line.endswith(": skipped")]
    assert skipped[0] == "paths-overrides.local: not there, although paths.conf includes it: skipped"
    assert len(skipped) == (1 if named == (".",) else 3)
    assert run("check", "--config", "f2b.toml").exit_code == 0


def test_import_says_which_jails_ban_nobody_because_something_was_lost(here: Path) -> None:
    stock(here)
    (here / "jail.local").write_text("[sshd]\nmaxretry = 25000\n[welcome]\nenabled = true\naction = unban\n")
    answer = run("import-fail2ban", ".")
    assert answer.exit_code == 1
    told = "only observed, so that nobody is banned wrongly: sshd, welcome: the file says why"
    assert answer.stderr.splitlines()[-1] == told
    assert tomllib.loads(answer.stdout)["jails"] == {"sshd": {"mode": "observe"}, "welcome": {"mode": "observe"}}


def test_import_says_as_json_what_it_says_in_lines(here: Path) -> None:
    stock(here)
    (here / "jail.local").write_text("[sshd]\nmaxretry = 25000\n")
    answer = json.loads(
        run("import-fail2ban", "jail.conf", "jail.d/*.conf", "jail.local", "gone", "--json").stdout
    )
    assert (answer["skipped"][-1], answer["only_observed"]) == ("gone: not there: skipped", ["sshd"])


@pytest.mark.parametrize("arguments", [(), ("nowhere.conf",), ("empty",), ("jail.d/*.conf",)])
def test_import_without_files_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    Path("empty").mkdir()
    assert run("import-fail2ban", *arguments).exit_code == 2


@pytest.mark.parametrize("command", ["check", "init", "import-fail2ban"])
def test_each_command_says_what_it_does_with_an_example_and_its_exit_codes(command: str) -> None:
    text = re.sub(r"\s+", " ", run(command, "--help").stdout)
    assert f"Example: f2b {command} " in text
    assert "Exit codes: 0 " in text
