"""How long an invocation may take, what it writes of itself, and what is never taken for judged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.gate import Gate
from f2b_worker.aws_lambda import emf
from f2b_worker.aws_lambda.function import ANSWER_S, FINISH_S, FORGOTTEN_AFTER_S, Function, _Deadlines, _Kept
from f2b_worker.errors import F2bError, StartError, Unavailable
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from pathlib import Path


Logged = Callable[[], list[dict[str, Any]]]


class Context:
    aws_request_id = "one"

    def get_remaining_time_in_millis(self) -> int:
        return 1000


@pytest.mark.parametrize("left_s", [0.0, 0.1, 1.0, 3.0, 30.0, 900.0])
def test_the_last_try_begins_before_the_answer_and_that_comes_before_the_end(left_s: float) -> None:
    finish_s, answer_s = _Deadlines.within(left_s)
    assert 0 <= finish_s <= answer_s <= left_s
    if left_s >= 30:
        assert (answer_s, finish_s) == (left_s - ANSWER_S, left_s - ANSWER_S - FINISH_S)
    elif left_s:
        assert 0 < finish_s < answer_s < left_s


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What a function has logged since the last time."""
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    structlog.reset_defaults()


def test_an_event_of_something_else_fails_as_a_whole_and_a_line_says_why(logged: Logged) -> None:
    with pytest.raises(F2bError, match="an event source mapping of an SQS queue makes such events"):
        Function().handle({"Records": []}, Context())
    (line,) = logged()
    assert (line["event"], line["level"]) == ("invocation_failed", "error")
    assert line["reason"].startswith("reading the event: it has no Records; ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[defaults", r"f2b\.toml: "),
        ("[worker]\nmax_age = 'soon'", "F2B_MAX_AGE: "),
        ("[worker]\nlog_level = 'loud'", "F2B_LOG_LEVEL: "),
        (None, r"f2b\.toml"),
    ],
)
def test_settings_that_are_wrong_fail_each_invocation_and_a_line_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, logged: Logged, text: str | None, reason: str
) -> None:
    file = tmp_path / "f2b.toml"
    if text:
        file.write_text(text, "utf-8")
    monkeypatch.setenv("F2B_CONFIG", str(file))
    function = Function()
    for _ in range(2):
        with pytest.raises(StartError, match=reason):
            function.handle({"Records": []}, Context())
        (line,) = logged()
        assert (line["event"], line["kind"]) == ("invocation_failed", "StartError")
        assert re.search(reason, line["reason"])
        assert "\n" not in line["reason"]


@pytest.mark.parametrize(("slept_s", "slept_ms"), [(FORGOTTEN_AFTER_S, 0), (0, FORGOTTEN_AFTER_S * 1000)])
def test_a_container_that_slept_for_long_by_either_clock_begins_anew(slept_s: float, slept_ms: float) -> None:
    clock, closed = SystemClock(), list[int]()
    opened: Any = SimpleNamespace(close=lambda: closed.append(1))
    function, gate = Function(), Gate()
    function._kept = _Kept(opened, gate, clock.monotonic_s(), clock.now_ms())
    assert function._take() is function._kept

    function._kept = _Kept(opened, gate, clock.monotonic_s() - slept_s, clock.now_ms() - round(slept_ms))
    assert function._take() is None
    assert closed
    with pytest.raises(Unavailable):
        gate._refuse()


def test_the_line_of_metrics_is_cloudwatchs_and_has_one_dimension(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "judge")
    tally = emf.Tally()
    metrics.refused.labels("not_json").inc(2)
    metrics.refused.labels("bad_address").inc()
    counted = tally.take()

    emf.write({"messages": 3, **counted, "duration": 12}, now_ms=1, is_cold=True, request_id="one")

    line: dict[str, Any] = json.loads(capsys.readouterr().out)
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == 1
    assert (told["Namespace"], told["Dimensions"]) == ("f2b", [["function"]])
    assert {each["Name"]: each["Unit"] for each in told["Metrics"]} == {
        "messages": "Count",
        "infractions_judged": "Count",
        "refused": "Count",
        "ignored": "Count",
        "ledger_refused": "Count",
        "aws_failures": "Count",
        "duration": "Milliseconds",
    }
    assert {each["Name"] for each in told["Metrics"]} <= line.keys()
    assert (line["function"], line["cold"], line["refused"], line["duration"]) == ("judge", True, 3, 12)
    assert tally.take() == dict.fromkeys(emf.COUNTED, 0)
