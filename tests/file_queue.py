"""A queue in a file, for tests of the producer in processes of their own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from f2b_producer.testing import RecordingClient, unpack

ROOT = Path(__file__).parents[1]


class FileQueue(RecordingClient):
    """Appends message bodies to a file that processes share; pickles, so that a spawned child can have it too."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)

    def __reduce__(self) -> tuple[type["FileQueue"], tuple[Path]]:
        return FileQueue, (self.path,)

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's
        answer = super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        with self.path.open("a") as file:
            file.write("".join(entry["MessageBody"] + "\n" for entry in Entries))
        return answer


def arrived(path: Path) -> list[str]:
    """Return the addresses that arrived in the queue in *path*, sorted."""
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted(seen.ip for line in lines for seen in unpack(line))


def start(script: str, *args: object) -> subprocess.Popen[str]:
    """Start *script* in a fresh interpreter in which this module can be imported."""
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(script: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run *script* as `start` does, to its end."""
    with start(script, *args) as process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
