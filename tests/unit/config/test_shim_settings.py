import pickle
from typing import Any

import click
import pytest
from click.testing import CliRunner

from f2b_worker.cli.options import settings_options
from f2b_worker.config.loading import load
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.errors import StartError
from tests.environment import forget_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


def test_a_shim_reads_its_own_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_QUEUE", "f2b")
    monkeypatch.setenv("F2B_PORT", "8080")
    assert load(ShimSettings, {}).model_dump() == {
        "queue": "f2b",
        "port": 8080,
        "host": "0.0.0.0",
        "uds": None,
        "workers": 1,
        "token": (),
        "peer_share": 0.5,
        "rate_limit": 0.0,
        "body_bytes": 512 * 1024,
        "waiting": 50_000,
        "request_s": 10.0,
        "idle_s": 65.0,
        "drain_s": 0.0,
        "expose_state": False,
        "log_level": "info",
    }


def test_a_shims_tokens_are_several_and_no_log_line_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = "old-0123456789ab", "new-0123456789ab"
    monkeypatch.setenv("F2B_TOKEN", f"{old} {new}\n")
    settings = load(ShimSettings, {"queue": "f2b"})
    assert [token.get_secret_value() for token in settings.token] == [old, new]
    assert load(ShimSettings, {"queue": "f2b", "token": (old, new)}) == settings
    assert old not in repr(settings)
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("given", ["environment", "command line"])
@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("", "is empty, which would open the port to all"),
        (" \t", "is empty, which would open the port to all"),
        ("correct-horse-15", None),
        ("correct-horse-1", "one has 15 characters and can be guessed: give 16 or more"),
        ("correct horse battery staple", "one has 5 characters and can be guessed"),
        ("correct-horse-battery-staple x", "one has 1 characters and can be guessed"),
        (
            "correct-horse-15,correct-horse-16",
            "holds a comma, which no token does: write a space",
        ),
        ("correct-horse-15,", "holds a comma"),
        (",", "holds a comma"),
    ],
)
def test_a_token_that_would_open_the_port_to_many_is_one_error_that_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, given: str, token: str, told: str | None
) -> None:
    if given == "environment":
        monkeypatch.setenv("F2B_TOKEN", token)
    settings = {"queue": "f2b"} | ({"token": (token,)} if given == "command line" else {})
    if told is None:
        assert [each.get_secret_value() for each in load(ShimSettings, settings).token] == [token]
        return
    with pytest.raises(StartError) as refused:
        load(ShimSettings, settings)
    assert str(refused.value).startswith(f"--token: {told}")
    assert "correct" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_empty_token_beside_a_good_one_is_an_error_too() -> None:
    with pytest.raises(StartError, match=r"^--token: is empty"):
        load(ShimSettings, {"queue": "f2b", "token": ("correct-horse-15", "")})


@pytest.mark.parametrize(
    ("level", "meant"), [("DEBUG", "debug"), ("warn", "warning"), ("trace", "debug"), ("fatal", "error")]
)
def test_a_shim_knows_the_log_levels_of_the_old_service(level: str, meant: str) -> None:
    assert load(ShimSettings, {"queue": "f2b", "log_level": level}).log_level == meant


def test_a_switch_that_was_not_given_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @settings_options(ShimSettings)
    def shim(**given: Any) -> None:
        settings = load(ShimSettings, given)
        click.echo(f"{settings.expose_state} {settings.port} {settings.log_level}")

    def shown(*arguments: str) -> str:
        return CliRunner().invoke(shim, ["--queue", "f2b", *arguments]).output.strip()

    assert shown() == "False 8000 info"
    assert shown("--expose-state", "-p", "81", "-l", "warn") == "True 81 warning"
    assert shown("--port", "81", "--loglevel", "debug") == "False 81 debug"
    monkeypatch.setenv("F2B_EXPOSE_STATE", "1")
    assert shown() == "True 8000 info"
