"""The audit in a state file: acts are read as they are wanted, a part at a time."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.sqlite.acts import AUDIT_AT_ONCE, SqliteActs, open_acts
from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW_MS = FakeClock().now_ms()
AT_ONE_TIME = 3


def test_each_act_is_in_one_part_and_who_wants_a_few_has_no_more_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, number = tmp_path / "f2b.db", 2 * AUDIT_AT_ONCE + 1
    make_or_open(path).close()
    rows = [(f"{each:06}", NOW_MS + each // AT_ONE_TIME) for each in range(number)]
    with closing(make_or_open(path)) as connection:
        connection.executemany("INSERT INTO acts VALUES (?, ?, 'ann', 'release', '[]', '', '', 0, 99999)", rows)
        connection.commit()
    read: list[int] = []
    ask = SqliteActs._rows

    def heard(acts: SqliteActs, query: str, *values: object) -> list[Any]:
        found = ask(acts, query, *values)
        read.append(len(found))
        return found

    monkeypatch.setattr(SqliteActs, "_rows", heard)
    with closing(open_acts(path)) as acts:
        assert len(list(islice(acts.audit(0), 3))) == 3
        assert read == [AUDIT_AT_ONCE]
        assert [each.id for each in acts.audit(0)] == [name for name, _ in reversed(rows)]
        last_ms = rows[-1][1]
        assert [each.at_ms for each in acts.audit(last_ms - 1, last_ms - 1)] == [last_ms - 1] * AT_ONE_TIME
