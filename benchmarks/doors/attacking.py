"""An attack on a port, as whoever stands beside it starts and ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.processes import ROOT, BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("idle", "slow", "greedy")
CONNECTIONS = 1_100
ENDS_WITHIN_S = 30.0


@contextmanager
def attacked(kind: str, port: int, *, connections: int = CONNECTIONS) -> Iterator[dict[str, int]]:
    """Let clients attack a port of this machine meanwhile; what they did stands in the answer afterwards."""
    command = [sys.executable, "-m", "benchmarks.doors.attackers", kind, "127.0.0.1", str(port), str(connections)]
    attackers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    did: dict[str, int] = {}
    try:
        assert attackers.stdout
        if attackers.stdout.readline() != b"attacking\n":
            raise BenchError("the attackers do not attack")
        yield did
        said, _ = attackers.communicate(timeout=ENDS_WITHIN_S)
        did.update(json.loads(said))
    finally:
        attackers.kill()
        attackers.communicate()
