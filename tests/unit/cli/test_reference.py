from __future__ import annotations

from pathlib import Path

from f2b_worker.cli.reference import page

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_committed_settings_page_is_what_the_models_say() -> None:
    assert (DOCS / "settings.md").read_text() == page(), "run: make docs"
