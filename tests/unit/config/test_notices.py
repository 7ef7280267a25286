"""`[notices]` in the jails file: what it means, and that each error names the key and what to write."""

from __future__ import annotations

import base64
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from f2b_worker.config.jails_file import jails_errors, read_jails
from f2b_worker.config.notices import (
    AppriseAddress,
    CommandAddress,
    EventBridgeAddress,
    Secret,
    SnsAddress,
    WebhookAddress,
)
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
WHOLE = f"""
[jails.login]
[jails.admin]

[notices]
fleet = "shop"
group_wait = "10s"

[notices.mail]
to = "sns"
topic = "arn:aws:sns:eu-west-1:123456789012:alerts"
jails = "admin"

[notices.bus]
to = "eventbridge"
severity = "warning"
group_wait = "1m"

[notices.hook]
to = "webhook"
url = "https://hooks.example/x?token=very-secret"
secret = "{SECRET}"
on = ["ban", "unban"]
group_max = 5
subject = "{{{{ ip }}}} banned"

[notices.page]
to = "command"
command = ["/usr/local/bin/page", "ops"]
timeout = "5s"
environment = ["PAGER_KEY"]

[notices.chat]
to = "apprise"
urls_env = "CHAT_URLS"
"""


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "f2b.toml"
    path.write_text(text)
    return path


def errors(tmp_path: Path, text: str) -> list[str]:
    path = file(tmp_path, text)
    found = [each.removeprefix(f"{path}: ") for each in jails_errors(path)]
    assert found, "it is refused"
    with pytest.raises(StartError):
        read_jails(path)
    return found


def test_a_file_without_a_target_has_no_notices(tmp_path: Path) -> None:
    assert read_jails(file(tmp_path, "[jails.login]\n")).notices is None
    assert read_jails(file(tmp_path, "[notices]\nfleet = 'a'\n")).notices is None


def test_each_kind_of_target_is_read_with_what_it_takes_from_the_table_above(tmp_path: Path) -> None:
    notices = read_jails(file(tmp_path, WHOLE)).notices
    assert notices
    assert notices.fleet == "shop"
    mail, bus, hook, page, chat = notices.targets
    assert mail.address == SnsAddress("arn:aws:sns:eu-west-1:123456789012:alerts")
    assert (mail.group_wait_ms, mail.group_max, mail.jails) == (10_000, 500, ("admin",))
    assert mail.on == ("ban", "surge", "overflow", "lag", "enforcer_lost", "dead_letters")
    assert bus.address == EventBridgeAddress("default")
    assert (bus.group_wait_ms, bus.severity) == (60_000, "warning")
    assert hook.address == WebhookAddress(Secret("https://hooks.example/x?token=very-secret"), Secret(SECRET))
    assert (hook.on, hook.group_max, hook.subject) == (("ban", "unban"), 5, "{{ ip }} banned")
    assert page.address == CommandAddress(("/usr/local/bin/page", "ops"), 5_000, ("PAGER_KEY",))
    assert chat.address == AppriseAddress((Secret(variable="CHAT_URLS"),))


def test_a_secret_is_shown_by_nothing_that_prints_what_was_read(tmp_path: Path) -> None:
    shown = repr(read_jails(file(tmp_path, WHOLE)).notices)
    assert "very-secret" not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("to = 'smtp'", 'notices.x: to: write to = "sns"'),
        ("topic = 'a'", "notices.x: to: is missing: write to ="),
        ("to = 'sns'", "notices.x.topic: is missing"),
        ("to = 'sns'\ntopic = 'alerts'", "notices.x.topic: is no ARN of a topic: write it as arn:aws:sns:"),
        ("to = 'sns'\ntopic = 'arn:aws:sns:eu-west-1:123456789012:a.fifo'", "notices.x.topic: is a FIFO topic"),
        ("to = 'eventbridge'\nbus = 'a b'", "notices.x.bus: is neither the name"),
        (
            "to = 'webhook'",
            "notices.x: url: is missing: give url, or the name of a variable that holds it as url_env",
        ),
        (
            "to = 'webhook'\nurl = 'https://a/'\nurl_env = 'A'",
            "notices.x: url and url_env both say it: leave one out",
        ),
        ("to = 'webhook'\nurl = 'http://hooks.example/'", "notices.x.url: begins with http://"),
        ("to = 'webhook'\nurl = 'ftp://hooks.example/'", "notices.x.url: is no URL of a web server"),
        ("to = 'webhook'\nurl = 'https://a:b@hooks.example/'", "notices.x.url: holds a user before the @"),
        ("to = 'webhook'\nurl = 'https://hooks.example:99999/'", "notices.x.url: is no URL"),
        ("to = 'webhook'\nurl = 'https://hooks.example/a b'", "notices.x.url: holds a space"),
        ("to = 'webhook'\nurl_env = 'A'\nsecret = 'abc'", "notices.x.secret: is no secret of Standard Webhooks"),
        ("to = 'webhook'\nurl_env = 'A'\nsecret = 'whsec_YWJj'", "notices.x.secret: is no secret of Standard"),
        ("to = 'webhook'\nurl_env = 'F2B_URL'", "notices.x.url_env: begins with F2B_"),
        ("to = 'webhook'\nurl_env = '1'", "notices.x.url_env: is no name of a variable"),
        ("to = 'command'\ncommand = 'ls'", "notices.x.command: must be a list, in [ ]"),
        ("to = 'command'\ncommand = []", "notices.x.command: must name one at least"),
        ("to = 'command'\ncommand = ['']", "notices.x: command: write the program first"),
        ("to = 'command'\ncommand = ['ls']\ntimeout = '1h'", "notices.x.timeout: must be from 1s to 10m"),
        ("to = 'apprise'", "notices.x: urls: is missing"),
        ("to = 'apprise'\nurls = ['json://a', 'xoxb-1']", "notices.x.urls.1: is no URL of Apprise: write it as"),
        ("to = 'eventbridge'\non = ['bam']", "notices.x.on.0: must be 'ban', 'unban', 'surge'"),
        ("to = 'eventbridge'\non = []", "notices.x.on: must name one at least"),
        ("to = 'eventbridge'\njails = ['logn']", "notices.x.jails: no jail 'logn'; did you mean login?"),
        ("to = 'eventbridge'\ngroup_wait = '0s'", "notices.x.group_wait: must be from 1s to 24h"),
        ("to = 'eventbridge'\ngroup_max = 0", "notices.x.group_max: must be 1 or more"),
        ("to = 'eventbridge'\nseverity = 'bad'", "notices.x.severity: must be 'info', 'warning' or 'critical'"),
        ("to = 'eventbridge'\nsubjcet = 'a'", "notices.x.subjcet: no such key; did you mean subject?"),
        (
            "to = 'eventbridge'\ntext = '{{ ipp }}'",
            "notices.x.text: 'ipp' is undefined; a template may use ip, jail",
        ),
        ("to = 'eventbridge'\ntext = '{{ ip'", "notices.x.text: unexpected end of template"),
    ],
)
def test_what_is_wrong_in_a_target_is_named_by_its_key_and_with_what_to_write(
    tmp_path: Path, table: str, line: str
) -> None:
    (found,) = errors(tmp_path, f"[jails.login]\n[notices.x]\n{table}\n")
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[notices]\nfleeet = 'a'\n", "notices.fleeet: no such key; did you mean fleet?"),
        ("[notices]\npager = 'a'\n", "notices.pager: no such key; a target is written as [notices.pager]"),
        ("notices = 3\n", "notices: must be a table: begin it with [notices]"),
        ("[notices]\ngroup_wait = 'soon'\n", "notices.group_wait: "),
    ],
)
def test_what_is_wrong_in_the_table_of_notices_is_named(tmp_path: Path, text: str, line: str) -> None:
    assert errors(tmp_path, text)[0].startswith(line)


def test_all_that_is_wrong_is_told_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    text = "[notices.x]\nto = 'webhook'\nurl = 'http://very-secret.example/'\nsecret = 'very-secret'\nkind = 1\n"
    found = errors(tmp_path, text)
    assert len(found) == 3
    assert not any("very-secret" in each for each in found)


def test_a_secret_in_a_variable_is_read_by_who_uses_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAT_URLS", raising=False)
    notices = read_jails(file(tmp_path, WHOLE)).notices
    assert notices
    address = notices.targets[-1].address
    assert isinstance(address, AppriseAddress)
    with pytest.raises(StartError, match="the variable CHAT_URLS is not set: give it to the worker"):
        address.urls[0].reveal()
    monkeypatch.setenv("CHAT_URLS", " json://a \n")
    assert address.urls[0].reveal() == "json://a"


@pytest.mark.parametrize(
    ("file", "models", "templates"),
    [
        ("[jails.login]", False, False),
        ('[notices.bus]\nto = "eventbridge"', True, False),
        ('[notices.bus]\nto = "eventbridge"\ntext = "{{ ip }}"', True, True),
    ],
)
def test_only_a_file_that_needs_them_waits_for_the_models_of_targets_and_for_jinja2(
    file: str, models: bool, templates: bool, tmp_path: Path
) -> None:
    (tmp_path / "f2b.toml").write_text(file)
    code = (
        "import sys; from pathlib import Path; from f2b_worker.config.jails_file import read_jails;"
        "read_jails(Path(sys.argv[1])); print(*sys.modules)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "f2b.toml")]
    loaded = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert ("f2b_worker.config.notices_schema" in loaded, "jinja2" in loaded) == (models, templates)


def test_who_tells_without_templates_does_not_load_jinja2() -> None:
    code = "import sys, f2b_worker.notices.process, f2b_worker.notices.telling; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "jinja2" not in loaded.split()
