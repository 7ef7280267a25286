"""What all tests of the shim need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def log_lines_of_its_own() -> Iterator[None]:
    """A shim that starts says where the log lines of its process go; the next test has a process of its own."""
    yield
    structlog.reset_defaults()
