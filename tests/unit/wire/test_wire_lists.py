"""What a list costs that is too long, or has a cell which is no text."""

from __future__ import annotations

import json

import pytest

from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.infractions import Reason
from f2b_worker.domain.judge.sorting import Sorter
from f2b_worker.wire import UnreadableError, read_body

SENT_MS = 1_763_833_500_123


@pytest.mark.parametrize("half", ["\\ud800", "\\uDBFF", "\\udc00 \\ud83d", "\\\\\\ud800", "\ud800"])
def test_half_a_surrogate_pair_costs_nothing_but_itself(half: str) -> None:
    other = '{"ip": "203.0.113.8", "note": "\\ud83d\\ude00 \\\\ud800"}'
    body = '[{"ip": "203.0.113.7", "note": "cut ' + half + '"}, ' + other + "]"
    found = read_body(body, message_id="m", sent_at_ms=SENT_MS)
    assert found.refused == []
    first, second = (each.note or "" for each in found.infractions)
    assert first.startswith("cut ")
    assert "\N{REPLACEMENT CHARACTER}" in first
    assert second == "\N{GRINNING FACE} \\ud800"


def test_an_address_with_half_a_surrogate_pair_is_refused_alone() -> None:
    found = read_body('[{"ip": "203.0.113.7\\ud800"}, {"ip": "203.0.113.8"}]', message_id="m", sent_at_ms=SENT_MS)
    sorted_out = Sorter(Policy(), None).sort_out(found.infractions, now_ms=SENT_MS)
    assert [each.reason for each in sorted_out.refused] == [Reason.BAD_ADDRESS]
    assert len(sorted_out.hits) == 1


def test_a_list_holds_as_many_infractions_as_a_pack_and_says_so_if_it_holds_more() -> None:
    items = [{"ip": "203.0.113.7", "id": str(number)} for number in range(10_001)]
    whole = read_body(json.dumps(items[1:]), message_id="m", sent_at_ms=SENT_MS)
    assert len(whole.infractions) == 10_000
    with pytest.raises(UnreadableError) as refused:
        read_body(json.dumps(items), message_id="m", sent_at_ms=SENT_MS)
    assert refused.value.reason is Reason.BAD_SHAPE
    assert str(refused.value) == "a list holds 10,000 infractions at most, this one 10,001: send several"
