"""Asks processes on which ground they stand."""

import json
import os
import subprocess
import sys

from f2b_producer import Ground

ASK = "import json; from f2b_producer import Producer; print(json.dumps(Producer('memory:').health().ground))"
PLAIN = Ground(
    "plain process", threads=True, fork_hooks=True, exit_hooks=False, patched=None, advice="send_at_sigterm=True"
)


def told(script: str, **variables: str) -> Ground:
    """Run *script* in a process of its own, and return the ground that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | variables,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return Ground(*json.loads(done.stdout))
