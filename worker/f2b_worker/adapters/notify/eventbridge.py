"""Notices as events on a bus of EventBridge, of which rules choose by kind, severity, jail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import KINDS_BY_CODE, aws_errors, odd_answers
from f2b_worker.adapters.aws import notices_client
from f2b_worker.adapters.notify.fitting import fitted
from f2b_worker.errors import Rejected

if TYPE_CHECKING:
    from typing import Any

    from f2b_worker.ports.notices import Notice

SOURCE = "f2b"

DETAIL_MAX_BYTES = 240 * 1024
"""An entry has 256 KB, with source, type and time:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html."""

_ARN_PARTS = 6


class EventBridgeTarget:
    """One event bus.

    Args:
        bus: Its name, or its ARN, which names the Region, too.
    """

    def __init__(self, bus: str) -> None:
        self._bus = bus
        self._client: Any = None

    def send(self, notice: Notice) -> None:
        """Put one event.

        Raises:
            F2bError: If EventBridge did not take it.
        """
        if self._client is None:
            parts = self._bus.split(":")
            self._client = notices_client("events", parts[3] if len(parts) == _ARN_PARTS else None)
        doing = f"putting an event on the bus {self._bus}"
        entry = {
            "Source": SOURCE,
            "DetailType": f"f2b {notice.kind}",
            "Detail": fitted(notice.detail, DETAIL_MAX_BYTES),
            "EventBusName": self._bus,
            "Time": datetime.fromtimestamp(notice.at_ms / 1000, UTC),
        }
        with aws_errors(doing):
            answer = self._client.put_events(Entries=[entry])
        with odd_answers(doing):
            # The call succeeds where the entry is refused: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
            if not answer.get("FailedEntryCount"):
                return
            (refused,) = answer["Entries"]
            code, why = str(refused["ErrorCode"]), str(refused.get("ErrorMessage", ""))
        raise KINDS_BY_CODE.get(code, Rejected)(f"{doing}: {code}: {why}")

    def close(self) -> None:
        """Let go of the client."""
        if self._client is not None:
            self._client.close()
