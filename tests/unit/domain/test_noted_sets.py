"""What an enforcer notes of its IP sets: for how long it is believed, and for which blocklists."""

from __future__ import annotations

import pytest

from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.noted_sets import (
    NAMED_MAX,
    NOTED_WITHIN_MS,
    SEEN_WITHIN_MS,
    NotedGroup,
    NotedSet,
    NotedSets,
    Progress,
    as_numbers,
    from_lines,
    from_numbers,
    named,
)

NOW_MS = 1_700_000_000_000


def noted(*names: str, blocklist: str = "block", at_ms: int = NOW_MS, seen_ms: int = NOW_MS) -> NotedSets:
    group = NotedGroup(blocklist, 4, tuple(NotedSet(name, 1, seen_ms) for name in names))
    return NotedSets(at_ms, at_ms, (group,))


@pytest.mark.parametrize(
    ("note", "is_fresh"),
    [
        (noted("f2b"), True),
        (noted("f2b", at_ms=NOW_MS - NOTED_WITHIN_MS), True),
        (noted("f2b", at_ms=NOW_MS - NOTED_WITHIN_MS - 1), False),
        (noted("f2b", seen_ms=NOW_MS - SEEN_WITHIN_MS), True),
        (noted("f2b", seen_ms=NOW_MS - SEEN_WITHIN_MS - 1), False),
        (noted("f2b", at_ms=NOW_MS + 5_000), True),  # a clock that is ahead
        (noted("f2b", at_ms=NOW_MS + 600_000, seen_ms=NOW_MS + 600_000), False),  # one that is wrong
    ],
)
def test_a_note_is_believed_while_somebody_writes_it_and_can_read_every_set(
    note: NotedSets, is_fresh: bool
) -> None:
    assert note.is_fresh(NOW_MS) == is_fresh


@pytest.mark.parametrize(
    ("note", "ip_sets", "is_it"),
    [
        (noted("f2b"), ("f2b",), True),
        (noted("f2b-ipv4", "f2b-ipv4-2", "f2b-ipv6"), ("f2b",), True),
        (noted("f2b", "more"), ("f2b", "more"), True),
        (noted("f2b", "more"), ("f2b",), False),
        (noted("f2b"), ("f2b", "more"), False),
        (noted("f2b-ipv4"), ("other",), False),
        (noted("f2b", blocklist="captcha"), ("f2b",), False),
        (NotedSets(NOW_MS, NOW_MS, ()), ("f2b",), False),
    ],
)
def test_a_note_is_about_a_blocklist_if_its_sets_are_those_that_the_command_names(
    note: NotedSets, ip_sets: tuple[str, ...], is_it: bool
) -> None:
    assert note.of(Blocklist("block", ip_sets)) == (note.groups if is_it else ())


def test_too_many_entries_are_not_named_at_all() -> None:
    many = [f"198.51.{number // 256}.{number % 256}/32" for number in range(NAMED_MAX + 1)]
    assert named(many) is None
    assert named(many[1:]) == tuple(sorted(many[1:]))


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["at 1"],
        ["to 1 2"],
        ["at 1 x"],
        ["at 1 -2"],
        ["at 1 2", "set f2b 1 2"],
        ["at 1 2", "group block"],
        ["at 1 2", "group block 5"],
        ["at 1 2", "group block 4", "set f2b 1"],
        ["at 1 2", "group block 4", "in 198.51.100.1/32"],
    ],
)
def test_what_no_enforcer_writes_cannot_be_read(lines: list[str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is for nobody
        from_lines(lines)


def test_how_fast_bans_get_in_is_read_as_it_was_written_and_what_a_later_version_adds_is_left() -> None:
    progress = Progress(7, None, 2_000, 0)
    assert from_numbers(as_numbers(progress) | {"later": 5}) == progress
    assert from_numbers({}) == Progress()


@pytest.mark.parametrize(
    "numbers", [*({"updates": wrong} for wrong in (-1, 1.5, "7", None)), {"took_ms": 5}, {"enforced_ms": 5}]
)
def test_how_fast_bans_get_in_cannot_be_read_from_what_no_enforcer_writes(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        from_numbers(numbers)
