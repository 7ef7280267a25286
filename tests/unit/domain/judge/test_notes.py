"""An infraction's note is kept with its hit, for people: it is part of no verdict."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import DAY_MS, Jail, Policy, Window
from f2b_worker.domain.judge.infractions import NOTE_BYTES_MAX, Infraction, note_of, noted_id, split_id
from f2b_worker.domain.judge.sorting import Sorter
from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId, judge

NOW_MS = 1_800_000_000_000
WHO = OffenderId("login", "203.0.113.7/32")


def hits(note: str | None, *, maxretry: int = 3, name: str = "a@web-1") -> list[Hit]:
    policy = Policy(Jail(), {"login": Jail("login", (Window(maxretry),))})
    said = Infraction("203.0.113.7", "login", NOW_MS, name, note)
    return Sorter(policy, DAY_MS).sort_out([said], now_ms=NOW_MS).hits[WHO]


@pytest.mark.parametrize("name", ["a", "a@web-1"])
def test_a_note_stands_behind_name_and_reporter_and_each_is_read_again(name: str) -> None:
    [hit] = hits("GET /wp-login.php | 401 @ 7", name=name)
    assert split_id(hit.id) == split_id(name)
    assert note_of(hit.id) == "GET /wp-login.php | 401 @ 7"


def test_what_has_no_note_has_none() -> None:
    assert [note_of(each) for each in ("a", "a@web-1", "a|b", "a|b@web-1")] == [""] * 4
    assert [each.id for each in hits(None)] == [each.id for each in hits("")] == ["a@web-1"]


def test_a_jail_that_bans_for_more_than_20_keeps_no_notes() -> None:
    assert note_of(hits("n", maxretry=20)[0].id) == "n"
    assert hits("n", maxretry=21) == [Hit(NOW_MS, "a@web-1")]


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        ("x" * 200, "x" * NOTE_BYTES_MAX),
        ("é" * 200, "é" * (NOTE_BYTES_MAX // 2)),
        ("x" * (NOTE_BYTES_MAX - 1) + "🦀", "x" * (NOTE_BYTES_MAX - 1)),
        ("a\x00b\x1b[2J\nc\u202ed", "a b [2J c d"),
        ("half \ud800 of one", "half ? of one"),
        ("\n\t", ""),
    ],
)
def test_of_a_note_is_kept_what_can_be_stored_and_shown_and_no_more_than_40_bytes(note: str, kept: str) -> None:
    [hit] = hits(note)
    assert note_of(hit.id) == kept
    assert len(kept.encode()) <= NOTE_BYTES_MAX


def test_an_infraction_that_comes_again_with_another_note_or_none_counts_once() -> None:
    jail = Jail("login", (Window(3),))
    ids = ["a", "a@web-1", noted_id("a", "one"), noted_id("a@web-1", "two"), "b"]
    verdict = judge(Offender(), [Hit(NOW_MS, each) for each in ids], jail, key=WHO.key)
    assert verdict.changed == ()
    assert [split_id(each.id)[0] for each in verdict.unused] == ["a", "b"]
