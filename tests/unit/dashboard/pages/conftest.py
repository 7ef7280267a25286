"""One fleet for all tests of the pages: they only look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.dashboard.pages.scene import OPERATOR, Fleet, Looking, busy_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.query.sources import Sources


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = busy_fleet(tmp_path_factory.mktemp("fleet"))
    yield made
    made.state.close()


@pytest.fixture(scope="module")
def sources(fleet: Fleet) -> Iterator[Sources]:
    opened = fleet.sources()
    opened.view.fresh(60)
    opened.letters(60)  # a page does not wait so long for them
    yield opened
    opened.close()


@pytest.fixture
def reader(sources: Sources) -> Looking:
    return Looking(sources)


@pytest.fixture
def operator(sources: Sources) -> Looking:
    return Looking(sources, OPERATOR)
