"""What a process of ours has logged. A line comes some time after what it tells of: wait for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def logged(log: Path, event: str = "") -> list[dict[str, Any]]:
    """Read the lines about an event, or about all; one that is still being written is left out."""
    whole, _, _ = log.read_text("utf-8").rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line for line in lines if event in {"", line["event"]}]
