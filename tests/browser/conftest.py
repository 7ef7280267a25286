"""A browser, and the fleet whose dashboard it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import fleet, policies, quick_commands
from tests.browser.chromium import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

pytest.register_assert_rewrite(
    *(f"tests.browser.steps_of_{what}" for what in ("acts", "looking", "pictures", "trouble")),
    "tests.browser.walk",
)

__all__ = ["browser", "fleet", "policies", "quick_commands"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if name == "measured" and type(report) is pytest.TestReport:  # those of subtests repeat it
                terminalreporter.write_line(f"measured: {text}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's headless Chromium."""
    with running() as started:
        yield started
