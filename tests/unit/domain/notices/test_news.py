"""From changes of bans to news: each ban is told once, and so is its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from f2b_worker.domain.acts.lifting import lifted
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Change
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, Offender, OffenderId
from f2b_worker.domain.notices.news import SLACK_MS, BanNews, News

if TYPE_CHECKING:
    from collections.abc import Iterator

WHO = OffenderId("login", "203.0.113.7/32")
T0 = 1_795_000_000_000
MINUTE = 60_000
BAN = Ban(start_ms=T0 + MINUTE, until_ms=T0 + 11 * MINUTE, count=1, length_ms=10 * MINUTE)
LONGER = replace(BAN, until_ms=BAN.until_ms + MINUTE, extended=1)
NEXT = Ban(start_ms=T0 + 30 * MINUTE, until_ms=T0 + 50 * MINUTE, count=2, length_ms=20 * MINUTE)


def change(ban: Ban, lifted_ms: int = 0) -> Change:
    return Change(WHO, ban, 1, lifted_ms)


def lift(ban: Ban, at_ms: int) -> Change:
    after = lifted(Offender(ban=ban), at_ms)
    assert after
    assert after.ban
    return change(after.ban, after.lifted_ms)


def kinds(news: list[News]) -> list[str]:
    return [each.kind for each in news]


def test_a_new_ban_is_news_and_its_repetition_and_its_extensions_are_none() -> None:
    news = BanNews(T0)
    assert kinds(news.take_in([change(BAN)])) == ["ban"]
    assert news.take_in([change(BAN), change(LONGER), change(LONGER), change(BAN)]) == []
    assert kinds(news.take_in([change(NEXT)])) == ["unban", "ban"]


def test_a_ban_that_is_first_seen_when_it_was_extended_is_news_unless_it_may_have_been_told_before() -> None:
    old = replace(LONGER, start_ms=T0 - SLACK_MS - 1)
    assert kinds(BanNews(T0).take_in([change(LONGER)])) == ["ban"]
    assert kinds(BanNews(T0).take_in([change(old)])) == ["ban"], "nobody can have told it"
    assert BanNews(T0).take_in([change(old)], is_certain=False) == []
    assert kinds(BanNews(T0).take_in([change(LONGER)], is_certain=False)) == ["ban"]
    assert kinds(BanNews(T0).take_in([change(replace(old, extended=0))], is_certain=False)) == ["ban"]


def test_where_all_bans_are_read_again_only_those_that_began_since_are_news() -> None:
    old = replace(BAN, start_ms=T0 - SLACK_MS - 1)
    other = Change(OffenderId("login", "203.0.113.8/32"), BAN, 1)
    found = BanNews(T0).take_in([change(old), other], is_certain=False, is_all=True)
    assert [each.who.key for each in found] == ["203.0.113.8/32"]


def test_what_was_told_before_is_no_news() -> None:
    news = BanNews(T0)
    news.learn([change(BAN)])
    assert news.take_in([change(BAN), change(LONGER)]) == []
    assert kinds(news.take_in([change(NEXT)])) == ["unban", "ban"]


def test_a_ban_ends_once_by_itself_at_the_end_that_it_has_in_the_end() -> None:
    news = BanNews(T0)
    news.take_in([change(BAN), change(LONGER)])
    assert news.ended(BAN.until_ms + 1) == []
    (end,) = news.ended(LONGER.until_ms + 1)
    assert end.kind == "unban"
    assert not end.lifted
    assert end.who == WHO
    assert news.ended(LONGER.until_ms + MINUTE) == []


def test_the_end_of_a_ban_is_told_where_the_next_ban_is_heard_of_at_the_same_time() -> None:
    news = BanNews(T0)
    news.take_in([change(BAN)])
    end, begin = news.take_in([change(NEXT)])
    assert (end.kind, end.at_ms, end.lifted) == ("unban", BAN.until_ms + 1, False)
    assert (begin.kind, begin.ban) == ("ban", NEXT)
    assert news.ended(NEXT.start_ms) == []


def test_where_all_bans_are_read_again_an_old_lift_is_no_news_and_a_new_one_is() -> None:
    old = replace(BAN, start_ms=T0 - 9 * MINUTE, until_ms=T0 + MINUTE)
    for at_ms, found in ((T0 - 5 * MINUTE, []), (T0, ["unban"])):
        assert kinds(BanNews(T0).take_in([lift(old, at_ms)], is_certain=False, is_all=True)) == found


def test_a_ban_that_was_told_before_and_is_over_does_not_end_again() -> None:
    news = BanNews(T0)
    news.ended(T0 + MINUTE)
    over = replace(LONGER, start_ms=T0 - 9 * MINUTE, until_ms=T0)
    assert news.take_in([change(over)], is_certain=False) == []
    assert news.ended(T0 + 2 * MINUTE) == []


def test_a_lift_is_told_as_one_and_the_ban_ends_no_second_time() -> None:
    news = BanNews(T0)
    news.take_in([change(BAN)])
    (end,) = news.take_in([lift(BAN, T0 + 5 * MINUTE)])
    assert (end.kind, end.lifted, end.at_ms) == ("unban", True, T0 + 5 * MINUTE)
    assert news.take_in([lift(BAN, T0 + 5 * MINUTE), change(BAN)]) == []
    assert news.ended(BAN.until_ms + MINUTE) == []
    assert news.take_in([lift(BAN, T0 + 5 * MINUTE)]) == []


def test_a_ban_that_was_lifted_before_anybody_heard_of_it_is_told_with_its_end() -> None:
    assert kinds(BanNews(T0).take_in([lift(BAN, T0 + 5 * MINUTE)])) == ["ban", "unban"]


def test_a_lift_where_no_ban_runs_any_more_is_no_news() -> None:
    news = BanNews(T0)
    news.take_in([change(BAN)])
    assert kinds(news.ended(T0 + 12 * MINUTE)) == ["unban"]
    assert news.take_in([lift(BAN, T0 + 12 * MINUTE)]) == []


def test_ends_are_told_only_to_whom_wants_them() -> None:
    news = BanNews(T0, with_ends=False)
    assert kinds(news.take_in([change(BAN), lift(BAN, T0 + 5 * MINUTE)])) == ["ban"]
    assert news.ended(BAN.until_ms + MINUTE) == []


def test_who_goes_on_after_another_tells_the_ends_since_then_and_no_other() -> None:
    news = BanNews(BAN.until_ms + MINUTE)
    later = OffenderId("login", "203.0.113.9/32")
    news.learn([change(BAN), Change(later, replace(LONGER, until_ms=T0 + 20 * MINUTE), 1)])
    assert [each.who for each in news.ended(T0 + 25 * MINUTE)] == [later]


def test_an_observed_ban_and_one_that_cannot_be_read_are_no_news() -> None:
    news = BanNews(T0)
    assert news.take_in([change(replace(BAN, observed=True)), change(UNREADABLE)]) == []
    assert news.ended(BAN.until_ms + MINUTE) == []


def test_what_ended_long_ago_is_forgotten_and_is_no_news_when_it_is_repeated() -> None:
    news = BanNews(T0)
    news.take_in([change(BAN)])
    news.ended(BAN.until_ms + 1)
    news.ended(BAN.until_ms + KEPT_AFTER_END_MS + MINUTE)
    assert not news._events._known, "not even the jail, which a sender may have invented"
    assert news.take_in([change(BAN)]) == []


STARTS = st.lists(st.integers(1, 40), min_size=1, max_size=6, unique=True).map(sorted)


@given(starts=STARTS, lengths=st.lists(st.integers(1, 30), min_size=6, max_size=6), data=st.data())
def test_in_whatever_order_and_however_often_changes_come_each_ban_that_is_seen_is_told_once(
    starts: list[int], lengths: list[int], data: st.DataObject
) -> None:
    bans = []
    for number, (start, length) in enumerate(zip(starts, lengths, strict=False), start=1):
        start_ms = T0 + start * MINUTE
        bans.append(Ban(start_ms, start_ms + length * MINUTE, number, length * MINUTE))
        bans.append(replace(bans[-1], until_ms=bans[-1].until_ms + MINUTE, extended=1))
    order = data.draw(st.permutations(range(len(bans))))
    repeated = [*order, *data.draw(st.lists(st.sampled_from(order), max_size=5))]
    news = BanNews(T0)
    told = [each for place in repeated for each in news.take_in([change(bans[place])]) if each.kind == "ban"]
    began = [each.ban.start_ms for each in told]
    assert len(began) == len(set(began))
    assert began == sorted(began), "a ban that is older than one that was told is none any more"
    assert began[-1] == T0 + starts[-1] * MINUTE


def test_of_many_old_bans_that_ended_each_is_looked_at_a_few_times_only() -> None:
    news = BanNews(T0 + 60 * MINUTE)
    looks = 0
    look = news._events._ended_before

    def counted(now_ms: int) -> Iterator[Any]:
        nonlocal looks
        looks += 1
        return look(now_ms)

    news._events._ended_before = counted  # type: ignore[method-assign]
    old = [Change(OffenderId("login", f"203.0.113.{number}/32"), BAN, 1) for number in range(250)]
    assert news.take_in(old, is_certain=False, is_all=True) == []
    assert news.ended(T0 + 61 * MINUTE) == []
    assert looks <= 2
