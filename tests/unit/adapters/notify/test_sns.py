"""What is published to a topic is as small as SNS takes it, whatever attackers and operators wrote."""

from __future__ import annotations

import json

import pytest

from f2b_worker.adapters.notify.sns import MESSAGE_MAX_BYTES, message_of
from f2b_worker.ports.notices import Notice

ATTRIBUTES_AND_SUBJECT_BYTES = 1_000


@pytest.mark.parametrize("written", ['"', "\\", "\n", "é", "😀", "x"])
def test_the_largest_notice_fits_however_often_what_is_in_it_must_be_escaped(written: str) -> None:
    ban = {"ip": "203.0.113.7", "matches": written * 200}
    detail = {"kind": "ban", "severity": "info", "fleet": written * 100, "count": 500, "bans": [ban] * 500}
    text = written * 200_000
    message = message_of(Notice("msg_1", "ban", "info", written * 500, text, detail, 0))
    assert len(message.encode()) <= MESSAGE_MAX_BYTES - ATTRIBUTES_AND_SUBJECT_BYTES
    variants = json.loads(message)
    assert variants["default"].startswith(written * 1_000)
    told = json.loads(variants["sqs"])
    assert len(told["bans"]) + told["bans_left_out"] == 500
