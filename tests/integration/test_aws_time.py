"""A client of AWS learns from each service, and from refusals too, how far this machine's clock is off."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from f2b_worker.adapters import aws, clock
from f2b_worker.adapters.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from localstack.local_aws import LocalAws

CALLS: dict[str, Callable[[], object]] = {
    "dynamodb": lambda: aws.dynamodb_client(connections=1).list_tables(),
    "sqs": lambda: aws.sqs_client("queue", connections=1).list_queues(),
    "wafv2": lambda: aws.wafv2_client(None).list_ip_sets(Scope="REGIONAL"),
}


def off_by_s(off_s: float) -> float:
    """Tell how far off the worker's time is on a machine whose clock is *off_s* ahead."""
    return SystemClock().now_ms() / 1000 - (time.time() - off_s)


@pytest.fixture(autouse=True)
def a_process_that_has_not_heard_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in vars(clock.AwsTime()).items():
        monkeypatch.setattr(clock.AWS_TIME, name, value)


@pytest.fixture(params=[-90, 90])
def off_s(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """A machine whose clock is so far ahead."""
    off_s = float(request.param)
    told_s, told_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: told_s() + off_s)
    monkeypatch.setattr(time, "time_ns", lambda: told_ns() + round(off_s * 1e9))
    return off_s


@pytest.mark.usefixtures("aws_in_process")
@pytest.mark.parametrize("service", CALLS)
def test_every_service_tells_the_time(service: str, off_s: float) -> None:
    assert abs(off_by_s(off_s)) == pytest.approx(90, abs=1)
    CALLS[service]()
    assert abs(off_by_s(off_s)) <= 2.5


@pytest.mark.parametrize("service", CALLS)
def test_a_refusal_tells_it_too(service: str, off_s: float, aws_in_process: LocalAws) -> None:
    aws_in_process.edge.fault("*", "throttle", code="RequestExpired")
    with pytest.raises(ClientError):
        CALLS[service]()
    assert abs(off_by_s(off_s)) <= 2.5


@pytest.mark.usefixtures("aws_in_process")
def test_a_clock_that_is_right_is_left_alone() -> None:
    for call in CALLS.values():
        call()
    assert clock.AWS_TIME.ahead_ms == 0
