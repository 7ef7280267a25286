"""The pages that are made of the code are what the code says now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docs._site import report_page
from f2b_worker.cli import errors_page, log_page, metrics_page, reference

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("settings.md", reference.page),
        ("metrics.md", metrics_page.page),
        ("log-events.md", log_page.page),
        ("errors.md", errors_page.page),
        ("report.md", report_page.page),
    ],
)
def test_the_committed_page_is_what_the_code_says(name: str, page: Callable[[], str]) -> None:
    assert (DOCS / name).read_text("utf-8") == page(), "run: make docs"
