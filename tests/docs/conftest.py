"""What runs `f2b` and `aws` for the pages, once for all of them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo.fleet import eventually
from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of `tests.docs.forks`."""
    path = tmp_path_factory.mktemp("forks") / "socket"
    command = [sys.executable, "-m", "tests.docs.forks", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as server:
        eventually(lambda: path.exists() or server.poll() is not None, "commands can be forked", 60)
        assert server.poll() is None
        yield path  # and then its standard input is closed, and it ends
