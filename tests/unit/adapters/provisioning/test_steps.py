from __future__ import annotations

import pytest

from f2b_worker.adapters.provisioning.steps import SHOWN_WITHIN_S, Patience
from f2b_worker.errors import AccessDenied, F2bError, Missing, Unavailable
from f2b_worker.testing import FakeClock


def test_what_aws_never_shows_is_named_after_a_minute() -> None:
    clock, said = FakeClock(), list[str]()
    began_s = clock.monotonic_s()

    def look() -> None:
        raise Missing("queue bans: no such queue")

    with pytest.raises(Unavailable, match="queue bans: made, but AWS does not show it after 60 s; run it again"):
        Patience(clock, said.append).until_shown("queue bans", look)
    assert clock.monotonic_s() - began_s == pytest.approx(SHOWN_WITHIN_S, abs=1.0)
    assert said == ["queue bans: made; waiting until AWS shows it, 60 s at most"]


def test_what_is_shown_at_once_is_no_line_and_no_wait() -> None:
    clock, said = FakeClock(), list[str]()
    began_s = clock.monotonic_s()
    assert Patience(clock, said.append).until_shown("queue bans", lambda: "url") == "url"
    assert (said, clock.monotonic_s()) == ([], began_s)


@pytest.mark.parametrize("error", [AccessDenied("no"), F2bError("other")])
def test_what_time_does_not_mend_is_not_waited_for(error: F2bError) -> None:
    def look() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        Patience(FakeClock(), print).until_shown("queue bans", look)
    assert caught.value is error
