"""Who is logged in, for how long, and what a guess costs."""

from __future__ import annotations

import pytest

from f2b_worker.dashboard.sessions import FREE_TRIES, LASTS_S, REMEMBERED_MAX, WAIT_MAX_S, Sessions, WrongTokens
from f2b_worker.testing import FakeClock
from tests.unit.dashboard.scene import TOKEN, TOKENS


def _opened(sessions: Sessions, token: str = TOKEN) -> str:
    held = sessions.open_with(token)
    assert held is not None
    return held


def test_a_token_opens_a_session_in_the_name_that_stands_before_it() -> None:
    sessions = Sessions(TOKENS, FakeClock())
    assert sessions.visitor(_opened(sessions)) == ("ann", True, True)
    assert sessions.visitor(_opened(sessions, TOKENS[1][1])) == ("bob", True, True)


@pytest.mark.parametrize("shown", ["", "wrong", TOKEN[:-1], TOKEN + "x", f"ann:{TOKEN}", "\ud800", TOKEN.upper()])
def test_nothing_else_opens_one(shown: str) -> None:
    assert Sessions(TOKENS, FakeClock()).open_with(shown) is None


def test_the_cookie_does_not_hold_the_token_and_no_two_are_equal() -> None:
    sessions = Sessions(TOKENS, FakeClock())
    first, second = _opened(sessions), _opened(sessions)
    assert TOKEN not in first
    assert first != second


def test_a_session_is_over_after_a_shift() -> None:
    clock = FakeClock()
    sessions = Sessions(TOKENS, clock)
    held = _opened(sessions)
    clock.advance(LASTS_S - 1)
    assert sessions.visitor(held).may_act
    clock.advance(1)
    assert sessions.visitor(held) == ("", False, True)


def test_a_session_outlives_a_restart_and_is_over_once_its_token_is_taken_out() -> None:
    clock = FakeClock()
    held = _opened(Sessions(TOKENS, clock))
    assert Sessions(TOKENS, clock).visitor(held).name == "ann"
    assert not Sessions([("ann", "a-new-token-for-ann"), TOKENS[1]], clock).visitor(held).may_act
    assert Sessions((), clock).visitor(held) == ("", False, False)


def test_a_forged_session_is_nobodys() -> None:
    sessions = Sessions(TOKENS, FakeClock())
    name, end, number, signature = _opened(sessions).split(":")
    forged = [
        f"bob:{end}:{number}:{signature}",
        f"{name}:{int(end) + 1}:{number}:{signature}",
        f"{name}:{end}:{number[:-1]}:{signature}",
        f"{name}:{end}:{number}:",
        f"{name}:{end}:{number}:{signature[:-1]}",
        f"{name}:{end}:{number}",
        f"{name}:x:{number}:{signature}",
        "",
        ":::",
        "é" * 40,
        "\ud800:1:2:3",
    ]
    assert not any(sessions.visitor(each).may_act for each in forged)


def test_a_session_that_is_ended_stays_ended_and_no_other_is() -> None:
    sessions = Sessions(TOKENS, FakeClock())
    first, second = _opened(sessions), _opened(sessions)
    sessions.end(first)
    assert not sessions.visitor(first).may_act
    assert sessions.visitor(second).may_act


def test_only_sessions_can_be_ended_so_that_nobody_fills_the_memory() -> None:
    sessions = Sessions(TOKENS, FakeClock())
    for number in range(100):
        sessions.end(f"ann:99999999999:{number}:forged")
    assert len(sessions._ended) == 0


def test_who_guesses_waits_longer_each_time_and_others_do_not() -> None:
    clock = FakeClock()
    wrong_tokens = WrongTokens(clock)
    waits = []
    for _ in range(10):
        waits.append(wrong_tokens.wait_s("192.0.2.7"))
        clock.advance(waits[-1])
        wrong_tokens.note_wrong("192.0.2.7")
    assert waits[: FREE_TRIES + 4] == [0.0] * FREE_TRIES + [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == WAIT_MAX_S
    assert wrong_tokens.wait_s("192.0.2.8") == 0.0


def test_a_right_token_and_a_quarter_of_an_hour_are_forgiven() -> None:
    clock = FakeClock()
    wrong_tokens = WrongTokens(clock)
    for _ in range(5):
        wrong_tokens.note_wrong("2001:db8::1")
    assert wrong_tokens.wait_s("2001:db8::2") > 0, "one customer of IPv6 has a /64"
    clock.advance(900)
    assert wrong_tokens.wait_s("2001:db8::1") == 0.0
    for _ in range(5):
        wrong_tokens.note_wrong("2001:db8::1")
    wrong_tokens.forget("2001:db8::1")
    assert wrong_tokens.wait_s("2001:db8::1") == 0.0


def test_many_who_guess_do_not_fill_the_memory() -> None:
    wrong_tokens = WrongTokens(FakeClock())
    for number in range(REMEMBERED_MAX + 10):
        wrong_tokens.note_wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(wrong_tokens) == REMEMBERED_MAX
