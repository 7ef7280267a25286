"""Shims that are restarted one after another behind a proxy, as docs/benchmarks.md says: no client notices."""

from __future__ import annotations

import pytest

from benchmarks.rolling.bench import measure

RATE_PER_S = 100.0
DRAINS = ("--drain-s", "1.5")
PAUSE_S = 1.0
"""HAProxy asks for readiness twice a second: it has to see that one is ready before the next is not."""


@pytest.mark.parametrize(
    ("proxy", "options"), [("nginx, max_fails=0, keepalive 16", ()), ("HAProxy, httpchk /readyz", DRAINS)]
)
def test_a_rolling_restart_costs_no_client_an_answer_and_loses_nothing(
    proxy: str, options: tuple[str, ...]
) -> None:
    found = measure(proxy, options, rate_per_s=RATE_PER_S, rounds=1, pause_s=PAUSE_S)

    assert found["requests"] > RATE_PER_S
    assert (found["by_status"], found["missing_200s"], found["stored_without_200"]) == ({}, 0, 0)
