"""What all unit tests need."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def log_lines_of_its_own() -> Iterator[None]:
    """Whoever starts a server says where log lines go; the next test has a process of its own."""
    yield
    if structlog := sys.modules.get("structlog"):  # the producer is tested without it, too
        structlog.reset_defaults()
