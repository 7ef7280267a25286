"""What keeps the shim's memory bounded."""

from __future__ import annotations

import pytest

from f2b_worker.config.loading import load
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.domain.judge.infractions import Infraction
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.shim.guards import RateLimit
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.serve import serving
from f2b_worker.shim.state import Request, State


def test_the_state_keeps_the_addresses_that_were_reported_last() -> None:
    state = State(addresses_max=3)
    for number in (0, 1, 2, 0, 3):
        state.take([Infraction(f"198.18.0.{number}", "login", number, "")])
    assert [row["ip"] for row in state.infractions()] == ["198.18.0.3", "198.18.0.0", "198.18.0.2"]


def test_the_state_keeps_the_latest_requests_and_no_endless_target() -> None:
    state = State(requests_max=2)
    for number in range(5):
        state.note(Request(number, "198.18.0.1", "GET", f"/{number}" + "x" * 10_000, 404))
    assert [row["target"][:2] for row in state.requests()] == ["/4", "/3"]
    assert all(len(row["target"]) <= 200 for row in state.requests())


def test_a_rate_limit_remembers_a_bounded_number_of_peers() -> None:
    rate = RateLimit(1, peers_max=100)
    for number in range(10_000):
        assert rate.wait_s(f"198.18.{number // 256}.{number % 256}", 0.0) == 0
    assert len(rate._buckets) == 100


def test_peers_are_limited_each_for_itself_and_an_ipv6_home_as_one() -> None:
    rate = RateLimit(1)
    assert [rate.wait_s(peer, 0.0) for peer in ("198.18.0.1", "198.18.0.2")] == [0, 0]
    assert rate.wait_s("198.18.0.1", 0.0) == pytest.approx(1)
    assert rate.wait_s("2001:db8::1", 0.0) == 0
    assert rate.wait_s("2001:db8::2", 0.5) == pytest.approx(0.5)
    assert rate.wait_s("2001:db8:0:1::1", 0.5) == 0


def test_no_pause_however_long_fills_a_bucket_beyond_a_second() -> None:
    rate = RateLimit(5)
    assert [rate.wait_s("198.18.0.1", 1e6) > 0 for _ in range(6)] == [False] * 5 + [True]
    assert [rate.wait_s("198.18.0.1", 2e6) > 0 for _ in range(6)] == [False] * 5 + [True]


def test_a_rate_below_one_a_second_lets_one_pass_at_a_time() -> None:
    rate = RateLimit(0.1)
    assert [rate.wait_s("198.18.0.1", at_s) for at_s in (0.0, 0.0, 10.0)] == [0, pytest.approx(10), 0]


def test_who_sets_nothing_has_the_limits_that_every_server_has_by_itself() -> None:
    how = serving(load(ShimSettings, {"queue": "f2b"}))
    assert (how.limits, how.connections) == (Limits(), ConnectionLimits())
