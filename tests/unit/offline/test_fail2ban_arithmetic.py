"""What fail2ban would hand to Python is computed, and nothing else of Python is."""

from __future__ import annotations

import pytest

from f2b_worker.offline.fail2ban_import.arithmetic import compute, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("600", 600),
        ("60*60*24", 86_400),
        ("1h 30m", 5400),
        ("1d12h", 129_600),
        ("1.5d12h", 172_800),
        ("1year-6mo", 15_778_800),
        ("2 * 1h 30m", 9000),
        ("1h 30m * 2", 7200),
        ("(1h 30m)*2", 10_800),
        ("10 20", 30),
        ("10m0", 600),
        ("1h\n30m", 5400),
        ("3600 # one hour", 3600),
        ("1M", 60),
        ("1H", 3600),
        ("1 month", 2_629_800),
        ("1wee", 604_800),
        ("7//2", 3),
        ("-1s", -1),
    ],
)
def test_a_duration_is_as_many_seconds_as_fail2ban_1_0_2_makes_of_it(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "h", "1 x", "1h,5m", "08", "1e3", "1h # a\n 5m", "<base>", "None", "1.2.3"])
def test_what_is_no_arithmetic_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="cannot compute"):
        seconds(text)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "2**65",
        "(2**64)**2",
        "1<<99",
        "1/0",
        "(-1)**0.5",
        "True",
        "'a'*9",
        "[1]",
        "().__class__",
        "__import__('os')",
        "open('x')",
        "math.exp(1000)",
        "math.exp(x=1)",
        "ban.Count",
        "1 if 1 < 2 < 3 else 4",
        "(" * 300 + "1" + ")" * 300,
        "1+" * 1000 + "1",
    ],
)
def test_what_is_no_finite_arithmetic_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(ValueError, match="f2b cannot compute it"):
        compute(text)


def test_a_formula_computes_with_the_names_that_it_is_given() -> None:
    names = {"ban.Time": 600, "ban.Count": 2, "banFactor": 1}
    assert compute("ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor", names) == 2400
    assert compute("max(ban.Time, min(5, float(ban.Count)))", names) == 600
