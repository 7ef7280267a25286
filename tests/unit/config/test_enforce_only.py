from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.config.loading import load
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.errors import StartError
from tests.environment import forget_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


def test_who_only_enforces_needs_no_queue_and_is_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = load(WorkerSettings, {"enforce_only": True, "table": "other"})
    assert (given.enforce_only, given.queue, given.table, given.processes) == (True, None, "other", 1)
    file = tmp_path / "f2b.toml"
    file.write_text("[worker]\nenforce_only = true\n", "utf-8")
    assert load(WorkerSettings, {}, file).enforce_only
    monkeypatch.setenv("F2B_ENFORCE_ONLY", "1")
    assert load(WorkerSettings, {}).enforce_only


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"queue": "f2b"},
            "--enforce-only takes no infractions: leave out --queue (in the environment ",
        ),
        (
            {"standalone": True},
            "--enforce-only enforces the bans of a table: leave out --standalone",
        ),
        ({"state": "f2b.db"}, "--enforce-only enforces the bans of a table: leave out --standalone"),
        ({"processes": "2"}, "--enforce-only is one process: leave out --processes"),
    ],
)
def test_who_only_enforces_refuses_what_belongs_to_a_judge_in_one_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(StartError) as refused:
        load(WorkerSettings, {"enforce_only": True, **given})
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)
