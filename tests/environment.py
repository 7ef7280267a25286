"""The environment of a test: no setting of f2b comes from outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away all variables of f2b but those that say how its tests run."""
    for name in os.environ:
        if name.startswith("F2B_") and not name.startswith(("F2B_TEST_", "F2B_PYTHON")):
            monkeypatch.delenv(name)
