import json
import pickle
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

import f2b_producer
from f2b_worker.cli.options import config_option, settings_options
from f2b_worker.config.cores import usable_cores
from f2b_worker.config.loading import env_name, load, option_name, refuse_misspelt_environment
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.config.values import PROCESSES_MAX
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.errors import StartError
from tests.environment import forget_settings

EVERY_OPTION: dict[str, tuple[str, object]] = {
    "queue": ("https://sqs.eu-west-1.amazonaws.com/123456789012/f2b", "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"),
    "table": ("other", "other"),
    "ip_set": (" a, b ,", ("a", "b")),
    "scope": ("CLOUDFRONT", "CLOUDFRONT"),
    "processes": ("4", 4),
    "max_age": ("12h", DAY_MS // 2),
    "poll_s": ("8", 8),
    "linger_s": ("0.5", 0.5),
    "extend_resolution_s": ("3.5", 3.5),
    "offenders_per_s": ("500", 500.0),
    "receivers": ("2", 2),
    "unban_lag_s": ("0", 0.0),
    "max_new_bans_per_minute": ("500", 500),
    "audit_days": ("30", 30),
    "metrics_port": ("9100", 9100),
    "metrics_host": ("0.0.0.0", "0.0.0.0"),
    "http_port": ("8080", 8080),
    "http_host": ("::", "::"),
    "dashboard_token": ("ann:correct-horse-battery", (SecretStr("ann:correct-horse-battery"),)),
    "state": ("other.db", "other.db"),
    "port": ("80", 80),
    "host": ("127.0.0.1", "127.0.0.1"),
    "uds": ("/run/f2b/f2b.sock", "/run/f2b/f2b.sock"),
    "log_level": ("debug", "debug"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f2b.toml"


@click.command()
@settings_options(WorkerSettings)
@config_option
def shown(config: Path | None, **given: Any) -> None:
    """Show the settings as the command line makes them."""
    click.echo(json.dumps(load(WorkerSettings, given, config).model_dump(mode="json")))


def beside(field: str) -> dict[str, object]:
    """Choose what goes together with an option: a queue, unless it belongs to standalone mode."""
    return {"standalone": True} if field == "state" else {"queue": "f2b"}


def complaint(**given: object) -> str:
    with pytest.raises(StartError) as refused:
        load(WorkerSettings, {"queue": "f2b", **given})
    return str(refused.value)


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load(WorkerSettings, {"queue": "f2b"})
    assert settings.model_dump() == {
        "queue": "f2b",
        "table": "f2b",
        "ip_set": (),
        "scope": "REGIONAL",
        "processes": min(PROCESSES_MAX, usable_cores()),
        "max_age": 14 * DAY_MS,
        "poll_s": 5,
        "linger_s": 0.1,
        "extend_resolution_s": 1.0,
        "offenders_per_s": 10_000.0,
        "receivers": 4,
        "unban_lag_s": 60.0,
        "max_new_bans_per_minute": 20_000,
        "audit_days": 400,
        "enforce_only": False,
        "metrics_port": None,
        "metrics_host": "127.0.0.1",
        "http_port": None,
        "http_host": "127.0.0.1",
        "dashboard_token": (),
        "standalone": False,
        "state": None,
        "port": 8000,
        "host": "0.0.0.0",
        "uds": None,
        "log_level": "info",
    }


def test_a_machine_of_many_cores_gets_no_more_processes_than_may_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("f2b_worker.config.values.usable_cores", lambda: 448)
    assert load(WorkerSettings, {"queue": "f2b"}).processes == PROCESSES_MAX
    assert load(WorkerSettings, {"queue": "f2b", "processes": "cores"}).processes == PROCESSES_MAX


def test_no_option_is_left_out_of_these_tests() -> None:
    assert EVERY_OPTION.keys() | {"standalone", "enforce_only"} == WorkerSettings.model_fields.keys()


def test_standalone_mode_can_be_chosen_everywhere_and_needs_no_queue(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(WorkerSettings, {"standalone": True}).state_file == Path("f2b.db")
    file.write_text("[worker]\nstandalone = true\nstate = '/var/lib/f2b.db'\n", "utf-8")
    assert load(WorkerSettings, {}, file).state_file == Path("/var/lib/f2b.db")
    assert json.loads(CliRunner().invoke(shown, ["--standalone"]).output)["standalone"]
    monkeypatch.setenv("F2B_STANDALONE", "1")
    assert load(WorkerSettings, {}).standalone


@pytest.mark.parametrize("model", [WorkerSettings, ShimSettings])
def test_a_command_that_needs_no_queue_has_none_whatever_the_environment_says(
    model: type[WorkerSettings | ShimSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(model, {}, needs_queue=False).queue is None
    monkeypatch.setenv("F2B_QUEUE", "f2b")
    assert load(model, {"queue": "other", "port": "80"}, needs_queue=False).queue is None


@pytest.mark.parametrize("name", ["F2B_QUEUE", "F2B_TABLE", "F2B_PROCESSES"])
def test_an_empty_variable_counts_as_not_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert load(WorkerSettings, {"standalone": True}) == load(WorkerSettings, {"standalone": "yes"})


@pytest.mark.parametrize("given", [{"queue": "f2b"}, {"table": "f2b"}, {"queue": "f2b", "table": "other"}])
def test_standalone_mode_refuses_what_belongs_to_a_fleet_in_one_line(given: dict[str, str]) -> None:
    with pytest.raises(StartError) as refused:
        load(WorkerSettings, {"standalone": True, **given})
    assert str(refused.value) == ("--standalone keeps queue and ledger in --state: leave out --queue and --table")


def test_standalone_mode_refuses_several_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(WorkerSettings, {"standalone": True, "processes": "1"}).standalone
    monkeypatch.setenv("F2B_PROCESSES", "2")
    with pytest.raises(StartError, match=r"^--standalone has one judge process: leave out --processes$"):
        load(WorkerSettings, {"standalone": True})


@pytest.mark.parametrize("given", [{"queue": "f2b"}, {"table": "f2b"}])
def test_a_fleet_refuses_a_state_file_rather_than_ignore_one_of_both(given: dict[str, str]) -> None:
    told = r"^--state is the file of --standalone: leave out --state, or leave out --queue and"
    with pytest.raises(StartError, match=told):
        load(WorkerSettings, {"state": "f2b.db", **given}, needs_queue="queue" in given)
    assert load(WorkerSettings, {"state": "f2b.db"}, needs_queue=False).state_file == Path("f2b.db")


def test_a_fleet_has_no_state_file() -> None:
    assert load(WorkerSettings, {"queue": "f2b"}).state_file is None


@pytest.mark.parametrize("field", EVERY_OPTION)
def test_every_option_can_be_given_in_the_environment(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = EVERY_OPTION[field]
    monkeypatch.setenv(f"F2B_{field.upper()}", text)
    given = {} if field == "queue" else beside(field)
    assert getattr(load(WorkerSettings, given), field) == value


@pytest.mark.parametrize("field", EVERY_OPTION)
def test_every_option_can_be_given_in_the_file(field: str, file: Path) -> None:
    text, value = EVERY_OPTION[field]
    file.write_text(f"[worker]\n{field} = '{text}'\n", "utf-8")
    given = {} if field == "queue" else beside(field)
    assert getattr(load(WorkerSettings, given, file), field) == value


@pytest.mark.parametrize("field", sorted(EVERY_OPTION.keys() - {"ip_set", "dashboard_token"}))
def test_every_option_can_be_given_on_the_command_line(field: str) -> None:
    text, value = EVERY_OPTION[field]
    other = ["--standalone"] if field == "state" else ["--queue", "f2b"]
    run = CliRunner().invoke(shown, [*other, option_name(field), text])
    assert json.loads(run.output)[field] == value


def test_several_ip_sets_are_given_one_by_one_on_the_command_line() -> None:
    run = CliRunner().invoke(shown, ["--queue", "f2b", "--ip-set", "a", "--ip-set", "b"])
    assert json.loads(run.output)["ip_set"] == ["a", "b"]


def test_the_command_line_is_over_the_environment_over_the_file_over_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[worker]\nqueue = 'file'\ntable = 'file'\nprocesses = 2\n[jails.login]\n", "utf-8")
    monkeypatch.setenv("F2B_QUEUE", "environment")
    monkeypatch.setenv("F2B_TABLE", "environment")
    run = CliRunner().invoke(shown, ["--queue", "line", "--config", str(file)])
    settings = json.loads(run.output)
    assert (settings["queue"], settings["table"]) == ("line", "environment")
    assert (settings["processes"], settings["poll_s"]) == (2, 5)


@pytest.mark.parametrize("nothing", [None, ()], ids=["none", "no-repetition"])
def test_an_option_that_was_not_given_hides_nothing(nothing: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_IP_SET", "a")
    assert load(WorkerSettings, {"queue": "f2b", "ip_set": nothing}).ip_set == ("a",)


def test_ip_sets_in_the_file_may_be_a_list(file: Path) -> None:
    file.write_text("[worker]\nqueue = 'f2b'\nip_set = ['a', 'b']\n", "utf-8")
    assert load(WorkerSettings, {}, file).ip_set == ("a", "b")


@pytest.mark.parametrize(("text", "ms"), [("0", None), ("14d", 14 * DAY_MS), ("60", 60_000), ("-1", FOREVER_MS)])
def test_a_max_age_of_zero_accepts_any_age(text: str, ms: int | None) -> None:
    assert load(WorkerSettings, {"queue": "f2b", "max_age": text}).max_age == ms


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("F2B_QUEU", "; did you mean F2B_QUEUE?"),
        ("F2B_IPSET", "; did you mean F2B_IP_SET?"),
        ("F2B_CONFG", "; did you mean F2B_CONFIG?"),
        ("F2B_Queue_Url", ""),
        ("F2B_XYZZY", ""),
        ("f2b_queue", "; did you mean F2B_QUEUE?"),
    ],
)
def test_a_misspelt_variable_is_refused_with_a_hint(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "f2b")
    assert complaint() == f"environment variable {name} is not a setting of f2b{hint}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("F2B_SHIM_PORT", "tcp://10.0.0.1:80"),
        ("F2B_SHIM_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("F2B_SHIM_SERVICE_PORT_HTTP", "80"),
        ("F2B_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_a_variable_that_kubernetes_makes_of_a_service_is_refused_with_what_to_write_into_the_pod(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert complaint() == (
        f"environment variable {name} is not a setting of f2b: Kubernetes makes it of a Service; "
        "write enableServiceLinks: false into the Pod"
    )


@pytest.mark.parametrize(
    "name", ["F2B_CONFIG", "F2B_PORT", "F2B_HOST", "F2B_TEST_SQS", "F2B_TEST_ANYTHING", "OTHER_QUEU"]
)
def test_a_variable_of_another_command_is_no_mistake(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "80")
    assert load(WorkerSettings, {"queue": "f2b"}) == load(WorkerSettings, {"queue": "f2b"})


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("processes", "0", "--processes: must be 1 or more"),
        (
            "processes",
            "many",
            "--processes: must be a whole number",
        ),
        ("poll_s", "9", "--poll-s: must be 8 or less"),
        ("linger_s", "-0.1", "--linger-s: must be 0 or more"),
        ("unban_lag_s", "3601", "--unban-lag-s: must be 3600 or less"),
        (
            "max_new_bans_per_minute",
            "-1",
            "--max-new-bans-per-minute: must be 0 or more",
        ),
        ("metrics_port", "0", "--metrics-port: must be 1 or more"),
        ("scope", "regional", "--scope: must be 'REGIONAL' or 'CLOUDFRONT'"),
        ("log_level", "loud", "--log-level: must be 'debug', 'info', 'warning' or 'error'"),
        (
            "max_age",
            "soon",
            "--max-age: 'soon' is no duration: seconds or a sum such as 10m, 1d12h, 1w2d; -1 for ever",
        ),
        ("queue", None, "--queue: is missing: give --queue, or set F2B_QUEUE"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_option(field: str, value: str | None, told: str) -> None:
    assert complaint(**{field: value}) == told


def test_all_wrong_values_are_told_at_once() -> None:
    told = complaint(queue=None, processes="x", poll_s="99")
    assert [line.split(":")[0] for line in told.split("; ")] == ["--queue", "--processes", "--poll-s"]


def test_an_unknown_key_of_the_file_is_told(file: Path) -> None:
    file.write_text("[worker]\nqueue = 'f2b'\nprocesss = 4\n", "utf-8")
    with pytest.raises(StartError, match=r"^--processs: "):
        load(WorkerSettings, {}, file)


@pytest.mark.parametrize("text", ["worker = 5", "[[worker]]\nqueue = 'f2b'"])
def test_a_worker_table_that_is_no_table_is_an_error_of_the_file(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(StartError):
        load(WorkerSettings, {"queue": "f2b"}, file)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(StartError, match="cannot be read"):
        load(WorkerSettings, {"queue": "f2b"}, file)


@pytest.mark.parametrize("model", [WorkerSettings, ShimSettings])
def test_settings_reach_a_child_process_unchanged(model: type[WorkerSettings | ShimSettings]) -> None:
    settings = load(model, {"queue": "f2b", "log_level": "debug"})
    copy = pickle.loads(pickle.dumps(settings))
    assert type(copy) is model
    assert copy == settings


def test_settings_do_not_change_once_built() -> None:
    settings = load(WorkerSettings, {"queue": "f2b"})
    with pytest.raises(ValueError, match="frozen"):
        settings.queue = "other"  # type: ignore[misc]


@pytest.mark.parametrize("field", WorkerSettings.model_fields)
def test_the_help_names_every_option_with_its_variable_and_its_default(field: str) -> None:
    text = " ".join(CliRunner().invoke(shown, ["--help"]).output.split())
    assert f"{option_name(field)} " in text
    assert f"[env: {env_name(field)}" in text


@pytest.mark.parametrize("field", EVERY_OPTION)
def test_the_default_that_the_help_shows_is_the_default_when_given(field: str) -> None:
    text = " ".join(CliRunner().invoke(shown, ["--help"]).output.split())
    after = text.split(f"[env: {env_name(field)}", 1)[1].split("]", 1)[0]
    given = {field: after.removeprefix("; default: ")} if "default" in after else {}
    assert load(WorkerSettings, {"queue": "f2b"} | given) == load(WorkerSettings, {"queue": "f2b"})


def test_every_variable_of_f2b_report_may_stand_in_the_environment_of_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modules = Path(f2b_producer.__file__).parent.glob("*.py")
    code = "".join(module.read_text(encoding="utf-8") for module in modules)
    names = set(re.findall(r"\bF2B_[A-Z_]+\b", code))
    assert {"F2B_QUEUE", "F2B_REPORTER"} <= names
    for name in names:
        monkeypatch.setenv(name, "web-1")
    refuse_misspelt_environment()


def test_a_command_without_these_options_names_the_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_TOKEN", "short")
    monkeypatch.setenv("F2B_PEER_SHARE", "7")
    with pytest.raises(StartError, match=r"^F2B_TOKEN: one has 5 .*; F2B_PEER_SHARE: "):
        load(ShimSettings, {}, needs_queue=False, has_options=False)


@pytest.mark.parametrize("field", ["queue", "table", "ip_set"])
@pytest.mark.parametrize("name", ["f2b block", "f2b\tblock", "f2b\nblock", "f2b\N{NO-BREAK SPACE}block", "f2b\0"])
def test_a_name_with_white_space_in_it_is_refused_and_shown(field: str, name: str) -> None:
    told = (
        f"--{field.replace('_', '-')}: {name!a} holds a space, a line break or the like, which no such name does"
    )
    assert complaint(**{field: name}) == told


@pytest.mark.parametrize("field", ["queue", "table"])
@pytest.mark.parametrize("name", [" f2b", "f2b ", "f2b\n"])
def test_a_name_with_white_space_around_it_is_refused_and_shown(field: str, name: str) -> None:
    assert complaint(**{field: name}).startswith(f"--{field}: {name!a} holds a space")


def test_white_space_around_the_parts_of_a_list_does_not_matter() -> None:
    assert load(WorkerSettings, {"queue": "f2b", "ip_set": "a, b\n"}).ip_set == ("a", "b")


@pytest.mark.parametrize("model", [WorkerSettings, ShimSettings])
@pytest.mark.parametrize("queue", ["f2b.fifo", "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b.fifo/"])
def test_a_fifo_queue_is_refused_with_the_reason(model: Any, queue: str) -> None:
    with pytest.raises(StartError, match=f"^--queue: {queue} is a FIFO queue, .* use a standard queue$"):
        load(model, {"queue": queue})


def test_a_queue_whose_name_only_contains_the_word_is_a_queue() -> None:
    assert load(ShimSettings, {"queue": "my.fifo.queue"}).queue == "my.fifo.queue"
