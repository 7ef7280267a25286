from __future__ import annotations

from typing import TYPE_CHECKING

from demo.fleet import eventually

if TYPE_CHECKING:
    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws


def test_three_reports_through_the_shim_put_an_address_into_the_ip_set(fleet: Fleet) -> None:
    fleet.start_worker()
    fleet.start_shim()

    for _ in range(3):
        assert fleet.get("/infraction/2001:db8:1:2::3") == (200, "ok\n")

    expanded = "2001:0db8:0001:0002:0000:0000:0000:0000/64"
    eventually(lambda: fleet.ip_set_entries() == {expanded}, "the /64 is in its IP set", 20, 0.6)


def test_the_shim_answers_503_while_the_queue_is_away_and_pretends_nothing(
    fleet: Fleet, local_aws: LocalAws
) -> None:
    fleet.start_shim()
    local_aws.edge.fault("sqs:SendMessage", "error")

    status, text = fleet.get("/infraction/203.0.113.7")

    assert status == 503
    assert "queue" in text
    local_aws.edge.clear_faults()
    assert fleet.get("/infraction/203.0.113.7")[0] == 200
    assert fleet.queued() == 1


def test_the_shim_refuses_what_is_no_address_with_a_reason(fleet: Fleet) -> None:
    fleet.start_shim()

    status, text = fleet.get("/infraction/10.0.0.0/8")

    assert (status, text) == (400, "'10.0.0.0/8' is a range, not one address\n")
    assert fleet.queued() == 0
