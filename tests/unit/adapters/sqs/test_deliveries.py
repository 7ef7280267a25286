"""One answer to a receive, message by message."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import structlog

from f2b_worker.adapters.sqs.deliveries import SQS_BEGAN_MS, read_deliveries
from f2b_worker.errors import Unavailable

NOW_MS = 1_795_885_766_273


def raw(body: str = "{}", **more: Any) -> dict[str, Any]:
    digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    stamp = {"SentTimestamp": str(NOW_MS - 5)}
    return {"MessageId": "m", "ReceiptHandle": "r", "Body": body, "MD5OfBody": digest, "Attributes": stamp} | more


def read(*found: Any) -> list[tuple[str, int]]:
    return [(each.body, each.sent_at_ms) for each in read_deliveries(found, "receiving", now_ms=NOW_MS)]


def test_a_time_is_read_in_whatever_form_it_came() -> None:
    for told in (str(NOW_MS - 7), NOW_MS - 7, f"{NOW_MS - 7}.9", NOW_MS - 6.5):
        assert read(raw(Attributes={"SentTimestamp": told})) == [("{}", NOW_MS - 7)]
    assert read(raw(Attributes={"SentTimestamp": str(SQS_BEGAN_MS)})) == [("{}", SQS_BEGAN_MS)]


def test_a_time_that_sqs_cannot_have_stamped_counts_as_now() -> None:
    texts = ["", "x", "0", "-1", "1795885766", "nan", "inf", "9" * 5000, "1e400"]
    others: list[Any] = [None, [], {}, True, 10**400, float("nan"), float("inf"), 0]
    for told in (*texts, *others):
        assert read(raw(Attributes={"SentTimestamp": told})) == [("{}", NOW_MS)], told


@pytest.mark.parametrize("attributes", [None, {}, [], 5, "x"])
def test_a_message_without_attributes_counts_as_now(attributes: Any) -> None:
    assert read(raw(Attributes=attributes)) == [("{}", NOW_MS)]


def test_a_damaged_body_is_left_and_the_others_are_read() -> None:
    with structlog.testing.capture_logs() as lines:
        assert read(raw("good"), raw("bad") | {"Body": "worse"}) == [("good", NOW_MS - 5)]
        assert read(raw("bad") | {"Body": "worse"}) == []
    assert [line["event"] for line in lines] == ["message_left", "message_left"]


@pytest.mark.parametrize("digest", [None, "", "-", 5, "not a digest"])
def test_a_body_without_a_digest_is_taken_as_it_is(digest: Any) -> None:
    assert read(raw("ü", MD5OfBody=digest)) == [("ü", NOW_MS - 5)]


def test_a_body_matches_its_digest_in_whatever_case_and_alphabet() -> None:
    each = raw("ü 漢 \U0001f600")
    assert read(each, each | {"MD5OfBody": each["MD5OfBody"].upper()}) == 2 * [(each["Body"], NOW_MS - 5)]


def test_a_body_that_is_no_text_is_left_to_whoever_reads_it() -> None:
    assert read(raw("x") | {"Body": "\ud800"}) == [("\ud800", NOW_MS - 5)]


@pytest.mark.parametrize("odd", [5, None, "x", [], {}, {"MessageId": "m"}, raw(Body=5), raw(ReceiptHandle=None)])
def test_a_message_in_another_form_holds_up_no_other(odd: Any) -> None:
    assert read(odd, raw("good")) == [("good", NOW_MS - 5)]
    with pytest.raises(Unavailable, match="is it AWS that answers"):
        read(odd)
