"""How often whoever acts tries, and what he answers when something fails for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.acting.acts import TRIES, end_of, fail_if_all_failed, for_each, new_act
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.errors import AccessDenied, F2bError, Invalid, Throttled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

A, B = (OffenderId("login", f"203.0.113.{number}/32") for number in (1, 2))


@pytest.fixture(autouse=True)
def waits_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which take no time."""
    waits: list[float] = []
    monkeypatch.setattr(SystemClock, "wait", lambda _self, _event, timeout_s: waits.append(timeout_s))
    return waits


def acting(**fates: F2bError) -> dict[OffenderId, str | F2bError]:
    def do(whom: Sequence[OffenderId]) -> dict[OffenderId, str | F2bError]:
        return {who: fates.get("a" if who == A else "b", "done") for who in whom}

    return for_each(do, [A, B])


def test_what_fails_for_one_is_tried_again_and_is_its_own(waits_s: list[float]) -> None:
    failure = Throttled("too fast")
    assert acting(a=failure) == {A: failure, B: "done"}
    assert len(waits_s) == TRIES - 1


@pytest.mark.parametrize("failure", [Throttled("too fast"), AccessDenied("not allowed")])
def test_what_fails_for_all_cannot_be_done(failure: F2bError) -> None:
    with pytest.raises(type(failure)):
        fail_if_all_failed(acting(a=failure, b=failure).values())


def test_what_is_wrong_with_each_of_them_is_told_of_each() -> None:
    failure = Invalid("too large")
    answers = acting(a=failure, b=failure)
    fail_if_all_failed(answers.values())
    assert answers == {A: failure, B: failure}


def test_an_act_names_once_who_is_meant_in_several_jails(tmp_path: Path) -> None:
    settings = OperatorSettings(state=str(tmp_path / "f2b.db"))
    act = new_act(settings, Verb.UNBAN, [A.key, B.key, A.key])
    assert (act.what, act.count) == ((A.key, B.key), 2)


@pytest.mark.parametrize(
    ("for_ms", "until_ms"),
    [
        (None, None),
        (FOREVER_MS, None),
        (FOREVER_MS - 1000, None),
        (1000, 2000),
    ],
)
def test_what_ends_after_all_time_has_no_end(for_ms: int | None, until_ms: int | None) -> None:
    assert end_of(Act("a", 1000, "ann", Verb.PAUSE), for_ms) == until_ms


def test_nobody_is_no_failure() -> None:
    def do(_whom: Sequence[OffenderId]) -> dict[OffenderId, str | F2bError]:
        raise AssertionError("an act on nobody would be remembered")

    assert for_each(do, []) == {}
    fail_if_all_failed([])
