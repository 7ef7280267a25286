"""Who is restarted, and when the pool gives up."""

from f2b_worker.pool import LIVES_S, RESTARTS_MAX, Restarts


def test_each_death_in_a_row_is_followed_by_a_longer_pause() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_s(0.1) for _ in range(RESTARTS_MAX)]
    assert pauses == [1, 2, 4, 8, 16]


def test_who_dies_again_and_again_cannot_live() -> None:
    restarts = Restarts()
    for _ in range(RESTARTS_MAX):
        assert restarts.pause_s(0.1) is not None
    assert restarts.pause_s(0.1) is None


def test_a_life_worth_the_name_forgives_earlier_deaths() -> None:
    restarts = Restarts(deaths=RESTARTS_MAX)
    assert restarts.pause_s(LIVES_S) == 1
