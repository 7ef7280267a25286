"""An application in a process of its own, which does what a test asks it to."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.producer_aws import QUEUE_URL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOOP = """
import sys
for line in sys.stdin:
    print(repr(eval(line)), flush=True)
"""
NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", **NO_FILES}


class Application:
    """A running application, and what it said on standard error once it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.complaints = ""

    def ask(self, expression: str) -> Any:
        """Return what an expression is in there."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{expression}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"ended: {self._process.communicate()[1]}"
        return ast.literal_eval(answer)

    def end(self) -> None:
        """Let it end by itself, as it does at the end of its input."""
        self.complaints = self._process.communicate(timeout=300)[1]
        assert self._process.returncode == 0, self.complaints


@contextmanager
def application(setup: str, environment: Mapping[str, str]) -> Iterator[Application]:
    """Run *setup*, which names the queue ``URL``, and then answer."""
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", f"URL = {QUEUE_URL!r}\n{setup}{LOOP}"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**cleared, **environment},
    ) as process:
        try:
            yield Application(process)
        finally:
            if process.poll() is None:
                process.kill()
