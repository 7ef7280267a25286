"""A shim's connections to SQS are swallowed, as by a firewall: no 200 is missing, and it goes on by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.fleet import eventually
from f2b_producer.testing import unpack
from tests.acceptance.swallowing import way_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws
    from tests.acceptance.swallowing import Way

TURNS_WITHIN_S = 20
ENDS_WITHIN_S = 10.0


@pytest.fixture
def way(fleet: Fleet, aws_in_process: LocalAws) -> Iterator[Way]:
    """The way of a shim that has just stored something."""
    with way_to(aws_in_process.endpoint_url) as way:
        fleet.environment["AWS_ENDPOINT_URL_SQS"] = way.url
        fleet.start_shim()
        assert reports(fleet, 0, 4) == [200] * 4
        yield way


def reports(fleet: Fleet, first: int, number: int) -> list[int]:
    return [fleet.get(f"/infraction/{address(each)}")[0] for each in range(first, first + number)]


def address(number: int) -> str:
    return f"198.51.100.{number}"


def stored(fleet: Fleet) -> set[str]:
    found: set[str] = set()
    while messages := fleet.sqs.receive_message(QueueUrl=fleet.queue_url, MaxNumberOfMessages=10).get("Messages"):
        found |= {one.ip for each in messages for one in unpack(each["Body"])}
    return found


def test_a_shim_whose_calls_are_swallowed_says_so_and_goes_on_over_new_connections_without_a_lost_200(
    fleet: Fleet, way: Way
) -> None:
    way.swallow()

    assert reports(fleet, 10, 3) == [503] * 3
    status, text = fleet.get("/readyz")
    assert (status, bool(text.strip())) == (503, True)
    assert fleet.get("/healthz")[0] == 200

    way.deliver()

    eventually(lambda: fleet.get("/readyz")[0] == 200, "it is ready again", TURNS_WITHIN_S)
    assert reports(fleet, 20, 4) == [200] * 4
    assert stored(fleet) >= {address(each) for each in (*range(4), *range(20, 24))}


def test_connections_that_a_nat_forgot_cost_no_client_its_200(fleet: Fleet, way: Way) -> None:
    way.swallow()
    way.deliver()  # those of before are dead, and nobody said so

    assert reports(fleet, 10, 4) == [200] * 4
    assert stored(fleet) == {address(each) for each in (*range(4), *range(10, 14))}


def test_a_stop_while_calls_are_swallowed_ends_in_time_and_with_code_0(fleet: Fleet, way: Way) -> None:
    assert fleet.shim is not None
    way.swallow()
    assert reports(fleet, 10, 1) == [503]
    fleet.shim.terminate()
    assert fleet.shim.wait(ENDS_WITHIN_S) == 0
