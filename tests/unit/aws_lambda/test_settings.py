from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from f2b_worker.aws_lambda.settings import choose, tell
from f2b_worker.errors import StartError
from tests.environment import forget_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


def test_the_environment_and_the_file_of_the_package_say_what_a_judge_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f2b.toml"
    file.write_text("[worker]\ntable = 'file'\nmax_age = '12h'\n", "utf-8")
    monkeypatch.setenv("F2B_CONFIG", str(file))
    monkeypatch.setenv("F2B_TABLE", "environment")

    chosen = choose()

    assert (chosen.settings.table, chosen.settings.max_age) == ("environment", 12 * 3_600_000)
    assert (chosen.config, chosen.ignored) == (file, ())


def test_what_makes_no_sense_in_a_function_is_ignored_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("F2B_QUEUE", "F2B_IP_SET"):
        monkeypatch.setenv(name, "f2b")
    monkeypatch.setenv("F2B_METRICS_PORT", "9100")

    with structlog.testing.capture_logs() as lines:
        tell(choose())

    assert [(line["event"], line["settings"]) for line in lines] == [
        ("settings_ignored", ["F2B_IP_SET", "F2B_METRICS_PORT", "F2B_QUEUE"])
    ]


def test_nothing_is_said_where_nothing_is_ignored() -> None:
    with structlog.testing.capture_logs() as lines:
        tell(choose())
    assert lines == []


@pytest.mark.parametrize(
    ("name", "value"), [("F2B_STANDALONE", "1"), ("F2B_STATE", "f2b.db"), ("F2B_ENFORCE_ONLY", "1")]
)
def test_what_a_function_cannot_do_is_refused_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=rf"^{name}: a Lambda function judges [^\n]*$"):
        choose()


def test_what_is_refused_is_told_with_its_place_in_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f2b.toml"
    file.write_text("[worker]\nenforce_only = true\n", "utf-8")  # the file of the enforcers
    monkeypatch.setenv("F2B_CONFIG", str(file))
    with pytest.raises(StartError, match=r"leave it out \(in the file enforce_only under \[worker\]\)"):
        choose()


def test_a_wrong_value_is_refused_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_MAX_AGE", "soon")
    with pytest.raises(StartError, match=r"^F2B_MAX_AGE: "):
        choose()
