"""What is remembered of many offenders: of those that came up last, in little memory."""

from __future__ import annotations

from f2b_worker.domain.judge.recent import Recent
from f2b_worker.domain.judge.verdicts import OffenderId
from tests.memory import bytes_of


def offenders(number: int, jail: str = "login") -> list[OffenderId]:
    return [OffenderId(jail, f"198.18.{each // 250}.{each % 250}/32") for each in range(number)]


def test_one_key_in_two_jails_is_two_offenders() -> None:
    recent, (login,), (scan,) = Recent(10), offenders(1), offenders(1, "scan")
    recent.put(login, b"login")
    recent.put(scan, b"scan")
    recent.forget(login)
    assert (recent.get(login), recent.get(scan)) == (None, b"scan")


def test_half_of_them_at_least_and_all_of_them_at_most_are_remembered_whatever_their_jails() -> None:
    recent = Recent(10)
    whom = [who for pair in zip(offenders(20), offenders(20, "scan"), strict=True) for who in pair]
    for place, who in enumerate(whom):
        recent.put(who, b"1")
        remembered = [each for each in whom if recent.get(each)]
        assert len(remembered) <= 10
        assert remembered[-5:] == whom[max(0, place - 4) : place + 1]


def test_who_was_forgotten_makes_room() -> None:
    recent, whom = Recent(4), offenders(4)
    recent.put(whom[0], b"0")
    recent.put(whom[1], b"1")
    recent.forget(whom[1])
    recent.put(whom[2], b"2")
    recent.put(whom[3], b"3")
    assert [recent.get(who) for who in whom] == [b"0", None, b"2", b"3"]


def test_an_offender_takes_less_than_45_bytes_beside_the_key_and_what_is_remembered() -> None:
    whom = offenders(10_000)
    recent, size = bytes_of(lambda: _filled(whom))
    assert recent.get(whom[-1]) == b"1"
    assert size / len(whom) < 45


def _filled(whom: list[OffenderId]) -> Recent:
    recent = Recent(20_000)
    for who in whom:
        recent.put(who, b"1")
    return recent
