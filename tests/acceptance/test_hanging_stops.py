"""A stop while AWS hangs ends within a platform's patience."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from demo.fleet import eventually
from tests.acceptance.attacks import report, send_bodies
from tests.acceptance.odd_sqs import odd_sqs

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

PATIENCE_S = 10.0
"""So long after SIGTERM container platforms kill."""


@pytest.mark.parametrize("services", [("DYNAMODB",), ("SQS", "DYNAMODB", "WAFV2")])
def test_a_stop_while_aws_hangs_ends_late_but_within_ten_seconds_and_with_code_0(
    fleet: Fleet, aws_in_process: LocalAws, tmp_path: Path, services: tuple[str, ...]
) -> None:
    log = tmp_path / "log"
    with odd_sqs(aws_in_process.endpoint_url) as odd:
        fleet.environment |= {f"AWS_ENDPOINT_URL_{each}": odd.url for each in services}
        worker = fleet.start_worker(log=log)
        eventually(lambda: '"working"' in log.read_text(), "it works", 40)
        odd.trickles = lambda action: services == ("DYNAMODB",) or action != "ReceiveMessage"
        send_bodies(fleet, report("203.0.113.9", 10))
        eventually(lambda: odd.trickled > 0, "a call hangs", 20)
        time.sleep(1)  # so that it is the judge's, too

        asked_s = time.monotonic()
        worker.terminate()
        assert worker.wait(2 * PATIENCE_S) == 0
        assert time.monotonic() - asked_s < PATIENCE_S
        assert "stopped_late" in log.read_text()
