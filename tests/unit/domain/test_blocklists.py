"""Which IP sets a name stands for, and what is made for it."""

from __future__ import annotations

import pytest

from f2b_worker.domain.blocklists import Blocklist, bases_named, ip_sets_named, ip_sets_needed, ip_sets_of


@pytest.mark.parametrize(
    ("existing", "bases", "named"),
    [
        ([], ["f2b-ipv4", "f2b-ipv6"], []),
        (["other", "f2b-x", "xf2b"], ["f2b-ipv4", "f2b-ipv6"], []),
        (["f2b"], ["f2b"], ["f2b"]),
        (["f2b-3", "f2b"], ["f2b"], ["f2b", "f2b-3"]),
        (["f2b-3"], ["f2b"], ["f2b-3"]),
        (["f2b-3", "f2b-ipv6-2"], ["f2b-ipv4", "f2b-ipv6"], ["f2b-ipv6-2"]),
        (
            ["f2b-ipv4-10", "f2b-ipv4-9", "f2b-ipv6"],
            ["f2b-ipv4", "f2b-ipv6"],
            ["f2b-ipv4-9", "f2b-ipv4-10", "f2b-ipv6"],
        ),
    ],
)
def test_a_name_stands_for_a_set_of_that_name_or_for_one_a_family_each_with_its_numbers(
    existing: list[str], bases: list[str], named: list[str]
) -> None:
    assert bases_named("f2b", existing) == bases
    assert ip_sets_named("f2b", existing) == named


@pytest.mark.parametrize("name", ["f.b", "f2b+", "(f2b"])
def test_a_name_is_no_pattern(name: str) -> None:
    assert ip_sets_named(name, ["fxb", "f2bb", "f2b"]) == []


@pytest.mark.parametrize(
    ("existing", "number", "needed"),
    [
        ([], 1, ["f2b"]),
        ([], 3, ["f2b", "f2b-2", "f2b-3"]),
        (["f2b"], 2, ["f2b", "f2b-2"]),
        (["f2b", "f2b-4"], 3, ["f2b", "f2b-2", "f2b-4"]),
        (["f2b-2"], 2, ["f2b", "f2b-2"]),
        (["f2b", "f2b-2", "f2b-7"], 1, ["f2b", "f2b-2", "f2b-7"]),
        (["f2b", "f2b-7"], 2, ["f2b", "f2b-7"]),
    ],
)
def test_what_exists_counts_and_the_lowest_free_numbers_are_added(
    existing: list[str], number: int, needed: list[str]
) -> None:
    assert ip_sets_needed("f2b", existing, number) == needed


def test_a_set_that_two_names_of_a_blocklist_stand_for_belongs_to_it_once() -> None:
    existing = ["f2b", "f2b-2", "f2b-3", "other"]
    assert ip_sets_of(Blocklist("block", ("f2b-2", "f2b")), existing) == ["f2b-2", "f2b", "f2b-3"]
