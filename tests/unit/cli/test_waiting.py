"""Whether WAF has what was done, and has let go who was lifted."""

from __future__ import annotations

import pytest

from f2b_worker.cli.waiting import Sets, waited
from f2b_worker.domain.networks import Networks
from f2b_worker.testing import MemoryIpSet

KEY, NETWORK, RANGE = "203.0.113.7/32", "203.0.113.0/24", "203.0.112.0/20"
PIECES = Networks(["203.0.113.9"]).rest_of(RANGE)
NOBODY = Networks()


def is_gone(*entries: str, staying: Networks = NOBODY) -> bool:
    sets = Sets({"block": [MemoryIpSet(entries=entries)]})
    return waited(sets, {KEY: ("block",)}, 0, NOBODY, gone=True, staying=staying)


def test_who_is_in_no_set_is_gone() -> None:
    assert is_gone()
    assert is_gone("203.0.113.8/32")


def test_who_is_in_a_set_is_not() -> None:
    assert not is_gone(KEY)


def test_nor_is_who_collapsed_into_a_network_that_is_there() -> None:
    assert not is_gone(NETWORK)


@pytest.mark.parametrize("entries", [(RANGE,), PIECES], ids=["whole", "in pieces"])
def test_a_network_that_is_banned_itself_is_not_waited_for(entries: tuple[str, ...]) -> None:
    assert is_gone(*entries, staying=Networks([RANGE]))
    assert not is_gone(*entries, KEY, staying=Networks([RANGE]))


@pytest.mark.parametrize("gone", [True, False])
def test_where_no_set_is_looked_into_nobody_says_how_it_is(gone: bool, capsys: pytest.CaptureFixture[str]) -> None:
    sets = Sets({"captcha": [MemoryIpSet()]})
    assert not waited(sets, {KEY: ("block",)}, 0, NOBODY, gone=gone)
    assert "no IP set of blocklist block is named" in capsys.readouterr().err


def test_of_two_blocklists_the_one_that_is_looked_into_counts(capsys: pytest.CaptureFixture[str]) -> None:
    sets = Sets({"block": [MemoryIpSet(entries=[KEY])]})
    assert waited(sets, {KEY: ("block", "captcha")}, 0, NOBODY, gone=False)
    assert "no IP set of blocklist captcha is named" in capsys.readouterr().err
