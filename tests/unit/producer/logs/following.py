"""A log that is followed, and what its owner does to it meanwhile."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from f2b_producer.logs import Tail
from f2b_producer.testing import RecordingClient

LINE = "2026-11-22T18:05:09Z login failed from {}\n"


def add(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def follow(log: Path, *steps: Callable[[], object], from_start: bool = False) -> list[str]:
    """Return the lines that are read while each wait makes one of the *steps*; the last wait ends it."""
    remaining = iter(steps)

    def wait() -> bool:
        step = next(remaining, None)
        if step is not None:
            step()
        return step is not None

    return [line.text.decode() for turn in Tail(str(log), from_start=from_start, wait=wait) for line in turn]


def nothing() -> None:
    """Let a moment pass."""


class Impatient(RecordingClient):
    """A queue that ends the command with a signal once it has the first message."""

    def send_message_batch(self, **call: object) -> dict[str, object]:
        answer = super().send_message_batch(**call)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGTERM)
        return answer
