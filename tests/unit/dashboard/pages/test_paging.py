"""The links from page to page."""

from __future__ import annotations

import pytest

from f2b_worker.dashboard.pages.paging import PAGE_MAX, number_in, page_links, part_told


@pytest.mark.parametrize(
    ("text", "page"),
    [("", 1), ("1", 1), ("0", 1), ("-5", 1), ("x", 1), ("7", 7), ("٣", 1), ("9" * 11, PAGE_MAX), ("9" * 5000, 1)],
)
def test_what_is_no_page_asks_for_the_first_one(text: str, page: int) -> None:
    assert number_in({"page": text}) == page
    assert number_in({}) == 1


def test_links_lead_to_where_there_is_something_and_keep_the_search() -> None:
    links = page_links("/bans", {"q": "a&b", "sort": "ip"}, 2, last=3, has_next=True)

    assert [(each.name, each.href, each.rel) for each in links] == [
        ("First", "/bans?q=a%26b&sort=ip", ""),
        ("Previous", "/bans?q=a%26b&sort=ip", "prev"),
        ("Next", "/bans?q=a%26b&sort=ip&page=3", "next"),
        ("Last", "/bans?q=a%26b&sort=ip&page=3", ""),
    ]
    assert [each.href for each in page_links("/audit", {}, 1, last=None, has_next=False)] == ["", "", ""]


def test_the_part_that_is_shown_is_told() -> None:
    assert part_told(1, 50, 12_345) == "1\N{EN DASH}50 of 12,345"
    assert part_told(0, 0, 0) == "0 of 0"
