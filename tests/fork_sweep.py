"""Tries `tests/forked_load.py` at every 20 ms of the first two seconds; ends with 1 if anything was lost.

python -m tests.fork_sweep, or `make test-forks` for several versions of Python.
"""

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.file_queue import ROOT, arrived


def arrives(after_ms: int) -> bool:
    """Whether parent and child could send where the fork came so late."""
    with tempfile.TemporaryDirectory() as folder:
        queue = Path(folder) / "queue"
        command: list[str | Path] = [
            sys.executable,
            ROOT / "tests" / "forked_load.py",
            queue,
            str(after_ms / 1000),
        ]
        ended = subprocess.run(command, capture_output=True, check=False)
        return ended.returncode == 0 and arrived(queue) == ["10.0.0.1", "10.0.0.2"]


if __name__ == "__main__":
    lost = [after_ms for after_ms in range(0, 2_000, 20) if not arrives(after_ms)]
    sys.stdout.write(f"Python {platform.python_version()}: lost after {lost or 'none'} of 0 to 1,980 ms\n")
    sys.exit(bool(lost))
