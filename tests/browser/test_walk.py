"""The dashboard of a real fleet in a real browser: a walk over it, step by step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.browser import steps_of_acts, steps_of_looking, steps_of_pictures, steps_of_trouble
from tests.browser.walk import walking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser

    from demo.fleet import Fleet

STEPS = (*steps_of_looking.STEPS, *steps_of_acts.STEPS, *steps_of_pictures.STEPS, *steps_of_trouble.STEPS)
pytestmark = pytest.mark.own_policies


def test_the_dashboard_shows_and_does_what_people_need_and_nothing_else(
    fleet: Fleet,
    browser: Browser,
    tmp_path: Path,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    with walking(fleet, browser, tmp_path) as walk:
        walk.tell = partial(record_property, "measured")
        for step in STEPS:
            with subtests.test(step.__name__.replace("_", " ")):
                step(walk)
                assert walk.take_faults() == []
            walk.close_tabs()
