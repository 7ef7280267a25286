"""Which of the wanted entries fit when there is not room for all."""

from __future__ import annotations

import random
from ipaddress import ip_network

import pytest

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.plan import admission as admission_module
from f2b_worker.domain.plan import division
from f2b_worker.domain.plan.admission import Admission
from f2b_worker.domain.plan.division import Claim

A, B, C = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"
SHORT, LONG = DAY_MS, DAY_MS + 1
FOREVER = FOREVER_MS


class Book:
    """Bans that claim room."""

    def __init__(self, room: int) -> None:
        self.claims: dict[str, Claim] = {}
        self.admission = Admission(room, lambda entry: self.claims[entry])

    def ban(self, entry: str, until_ms: int, claim: Claim) -> None:
        self.claims[entry] = claim
        self.admission.put(entry, until_ms)

    def crowd(self, number: int, until_ms: int, length_ms: int, *, network: str = "", at_ms: int = 0) -> None:
        """Ban so many addresses, one after the other, in a hundred networks if none is named."""
        for host in range(number):
            entry = f"{network or f'198.{host % 100}'}.{host // 256 % 256}.{host % 256}/32"
            self.ban(entry, until_ms, Claim(at_ms + host, length_ms))


def test_what_ends_last_fits_and_room_that_appears_is_filled() -> None:
    admission = Admission(1)
    admission.put(A, 10)
    admission.put(B, 20)
    assert (admission.admitted, admission.left_out) == ({B: 20}, {A: 10})
    admission.drop(B)
    assert (admission.admitted, admission.left_out) == ({A: 10}, {})


def test_room_that_vanishes_costs_the_ends_that_come_first() -> None:
    admission = Admission(3)
    for entry, until_ms in ((A, 10), (B, 30), (C, 20)):
        admission.put(entry, until_ms)
    admission.resize(1)
    assert admission.admitted == {B: 30}
    admission.resize(-1)
    assert admission.left_out == {A: 10, B: 30, C: 20}


def test_it_tells_what_moved() -> None:
    admission = Admission(1)
    admission.put(A, 10)
    admission.take_changes()
    admission.put(B, 20)
    assert admission.take_changes() == {A, B}


def test_of_bans_without_an_end_the_newest_go_in() -> None:
    book = Book(1000)
    book.crowd(1000, FOREVER, LONG)
    for number in range(60):
        book.ban(f"203.0.113.{number}/32", FOREVER, Claim(5000 + number, LONG))
        assert f"203.0.113.{number}/32" in book.admission.admitted
    assert len(book.admission.admitted) == 1000


@pytest.mark.parametrize("until_ms", [FOREVER, 10**9])
def test_a_short_ban_finds_room_and_keeps_it_however_many_long_ones_come_later(until_ms: int) -> None:
    book = Book(1000)
    book.ban(A, 600_000, Claim(0, 600_000))
    book.crowd(20_000, until_ms, LONG, at_ms=1)
    assert A in book.admission.admitted


def test_who_attacks_now_goes_in_although_all_others_are_banned_for_longer() -> None:
    book = Book(1000)
    book.crowd(20_000, DAY_MS, SHORT)
    book.ban(A, 600_000, Claim(50_000, 600_000))
    assert A in book.admission.admitted


def test_no_network_holds_more_than_its_share_while_others_wait() -> None:
    book = Book(1000)
    book.crowd(900, DAY_MS, SHORT)
    for host in range(400):
        book.ban(f"203.0.{host // 256}.{host % 256}/32", 2 * DAY_MS, Claim(10**6 + host, SHORT))
    held = [entry for entry in book.admission.admitted if entry.startswith("203.0.")]
    assert len(held) == 1000 // division.NETWORK_SHARE
    assert sum(entry.startswith("198.") for entry in book.admission.admitted) == 875


def test_a_network_may_have_the_room_that_nobody_else_wants() -> None:
    book = Book(1000)
    book.crowd(2000, DAY_MS, SHORT, network="198.18")
    assert len(book.admission.admitted) == 1000


def test_what_is_leaving_makes_room_for_all_others() -> None:
    book = Book(2)
    book.ban(A, 0, Claim(is_leaving=True))
    book.ban(B, 20, Claim(length_ms=SHORT))
    book.ban(C, 10, Claim(length_ms=LONG))
    assert book.admission.admitted == {B: 20, C: 10}


def number_of(entry: str) -> int:
    """Of equals: wide networks first, then low addresses."""
    network = ip_network(entry)
    return network.prefixlen << network.max_prefixlen | int(network.network_address)


def kind_rank(entry: str, until_ms: int, claim: Claim) -> tuple[object, ...]:
    if claim.is_leaving:
        return True, 0, 0, number_of(entry)
    if claim.length_ms <= DAY_MS:
        return False, -claim.attacked_ms, -until_ms, number_of(entry)
    return False, -until_ms, -claim.attacked_ms, number_of(entry)


def chosen(wanted: dict[str, int], claims: dict[str, Claim], room: int) -> set[str]:
    """Say by sorting whom the rules of the page admit."""
    shares: dict[tuple[str, bool], list[str]] = {}
    for entry in wanted:
        if not claims[entry].is_leaving:
            network = claims[entry].owner or ".".join(entry.split(".")[:2])
            shares.setdefault((network, claims[entry].length_ms <= DAY_MS), []).append(entry)
    by_attack = sorted(wanted, key=lambda e: (-claims[e].attacked_ms, -wanted[e], number_of(e)))
    by_kind = sorted(wanted, key=lambda e: kind_rank(e, wanted[e], claims[e]))
    share = max(division.NETWORK_LEAST, room // 8)
    within = {each for mine in shares.values() for each in [e for e in by_attack if e in mine][:share]}
    newest = [each for each in by_attack if each in within][: room // 4]
    older = [each for each in by_kind if each in within and each not in newest]
    short = [each for each in older if claims[each].length_ms <= DAY_MS]
    long = [each for each in older if claims[each].length_ms > DAY_MS]
    left = room - len(newest)
    for_short = max(min(room // 2, left), left - len(long))
    admitted = [*newest, *short[:for_short], *long[: left - len(short[:for_short])]]
    others = [each for each in by_kind if each not in within]
    return {*admitted, *others[: room - len(admitted)]}


@pytest.mark.parametrize("seed", range(10))
def test_it_agrees_with_sorting_after_any_changes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "NETWORK_LEAST", 2)
    dice = random.Random(seed)
    entries = [f"203.0.{host // 8}.{host % 8}/32" for host in range(60)]
    book, wanted, room = Book(10), dict[str, int](), 10
    for _ in range(700):
        entry = dice.choice(entries)
        if dice.random() < 0.6:
            until_ms = dice.randrange(20)
            if wanted.get(entry) != until_ms:
                length_ms, network = dice.choice([SHORT, LONG]), dice.choice("abcd")
                book.claims[entry] = Claim(dice.randrange(10), length_ms, network, dice.random() < 0.1)
            wanted[entry] = until_ms
            book.admission.put(entry, until_ms)
        elif dice.random() < 0.8:
            wanted.pop(entry, None)
            book.admission.drop(entry)
        else:
            room = dice.randrange(50)
            book.admission.resize(room)
        best = chosen(wanted, book.claims, room)
        assert book.admission.admitted == {each: wanted[each] for each in best}
        assert book.admission.left_out == {each: wanted[each] for each in wanted.keys() - best}


def test_all_at_once_are_divided_as_one_by_one() -> None:
    one, other = Book(1000), Book(1000)
    one.crowd(3000, DAY_MS, SHORT)
    other.claims = one.claims
    assert other.admission.fill({**one.admission.admitted, **one.admission.left_out})
    assert other.admission.admitted == one.admission.admitted
    assert not other.admission.fill({A: 10})


def test_where_there_is_room_for_all_nobody_is_asked_anything() -> None:
    admission = Admission(2, lambda _: pytest.fail("asked"))
    assert admission.fill({A: 10})
    admission.put(B, 20)
    admission.drop(A)
    admission.put(C, 30)
    assert admission.admitted == {B: 20, C: 30}


def test_of_very_many_a_part_is_divided_in_each_go_to_the_same_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dice = random.Random(8)
    one = Book(300)
    one.crowd(299, FOREVER, LONG)
    monkeypatch.setattr(admission_module, "AT_ONCE", 50)
    monkeypatch.setattr(admission_module, "PART", 50)
    for number in range(700):
        entry = f"203.0.{number // 256}.{number % 256}/32"
        one.ban(entry, DAY_MS, Claim(10_000 + number, SHORT))
        if dice.random() < 0.2:
            one.admission.drop(dice.choice(list(one.claims)))
        assert len(one.admission.admitted) == min(300, len(one.admission.admitted) + len(one.admission.left_out))
        if number % 40 == 0:
            one.admission.advance()
    while one.admission.is_dividing:
        one.admission.advance()
    wanted = {**one.admission.admitted, **one.admission.left_out}
    assert set(one.admission.admitted) == chosen(wanted, one.claims, 300)
