"""The README's table of servers is that of the matrix: each row is played, and none is left out."""

from __future__ import annotations

from tests.servers.promises import PROMISES, README, kinds, with_table


def test_each_kind_of_server_in_the_matrix_has_its_promise_and_no_other_has() -> None:
    assert [each.server for each in PROMISES] == list(kinds())


def test_the_readme_has_the_table_as_it_is_now() -> None:
    page = README.read_text("utf-8")
    assert with_table(page) == page
