from __future__ import annotations

import gc

from f2b_worker.collector import imports


def test_what_is_imported_is_neither_looked_through_for_garbage_meanwhile_nor_afterwards() -> None:
    before = gc.get_freeze_count()

    with imports():
        assert not gc.isenabled()
        made: list[list[int]] = [[] for _ in range(100)]

    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(made)
