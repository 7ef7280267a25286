"""The loop from messages to stored verdicts: nothing is lost, nothing is deleted too early."""

from __future__ import annotations

import json

import pytest
import structlog

from f2b_worker.domain.jails import MINUTE_MS, SECOND_MS
from tests.unit.intake.scene import (
    DAY_S,
    GOOD_IP,
    NOW_MS,
    NOW_S,
    OTHER_IP,
    SQS_MESSAGE_MAX_BYTES,
    Scene,
    body,
    counted,
    items,
    who,
)


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestBadInput:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('{"ip": "203.0.113.9"', "not_json"),
            ("", "not_json"),
            ("\x00\x01\xff\xfe", "not_json"),
            ("iVBORw0KGgoAAAANSUhEUg==", "not_json"),
            ("[" * 100_000, "not_json"),
            ("x" * 1_000_000, "not_json"),
            ('{"v": 2, "infractions": []}', "unknown_version"),
            ('{"v": "1", "ip": "203.0.113.9"}', "unknown_version"),
            ("[]", "empty"),
            ('{"v": 1, "id": "a", "t0_ms": 0, "dt_ms": [], "ip": []}', "empty"),
            ("42", "bad_shape"),
            ("null", "bad_shape"),
        ],
        ids=lambda value: value[:24],
    )
    def test_a_message_that_cannot_be_read_is_buried_whole_and_its_neighbours_judged(
        self, scene: Scene, text: str, reason: str
    ) -> None:
        before = counted("refused", reason=reason)
        _, bad_id, _ = scene.work(body(GOOD_IP), text, body(OTHER_IP))
        (letter,) = scene.inbox.dead
        assert (letter.body, letter.reason, letter.message_id) == (text, reason, bad_id)
        assert letter.detail
        assert len(letter.detail.splitlines()) == 1
        assert counted("refused", reason=reason) == before + 1
        assert scene.ledger.banned().keys() == {who(GOOD_IP), who(OTHER_IP)}
        assert scene.inbox.left == set()

    @pytest.mark.parametrize(
        ("item", "reason"),
        [
            ({"jail": "login"}, "no_ip"),
            ({"ip": "bad.example.com"}, "bad_address"),
            ({"ip": "999.1.1.1"}, "bad_address"),
            ({"ip": "10.0.0.0/8"}, "bad_address"),
            ({"ip": "203.0.113.9\x00"}, "bad_address"),
            ({"ip": None}, "bad_address"),
            ({"ip": 3405803785}, "bad_address"),
            ({"ip": "203.0.113.9", "at": NOW_S + 365 * DAY_S}, "in_future"),
            ({"ip": "203.0.113.9", "at": NOW_S + 301}, "in_future"),
            ({"ip": "203.0.113.9", "at": NOW_S - 15 * DAY_S}, "too_old"),
            ({"ip": "203.0.113.9", "at": "yesterday"}, "bad_time"),
            ({"ip": "203.0.113.9", "jail": "a jail"}, "bad_jail"),
            ({"ip": "203.0.113.9", "id": ""}, "bad_shape"),
            ("203.0.113.9", "bad_shape"),
        ],
        ids=str,
    )
    def test_a_wrong_item_is_buried_alone_and_the_others_of_its_pack_judged(
        self, scene: Scene, item: object, reason: str
    ) -> None:
        before = counted("refused", reason=reason)
        good = items(GOOD_IP)
        (message_id,) = scene.work(json.dumps([*good[:2], item, *good[2:]]))
        (letter,) = scene.inbox.dead
        assert (letter.reason, letter.message_id, len(json.loads(letter.body))) == (reason, message_id, 1)
        assert len(letter.detail.splitlines()) == 1
        assert counted("refused", reason=reason) == before + 1
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}
        assert scene.inbox.left == set()

    def test_all_wrong_items_of_a_message_share_one_letter_that_counts_each(self, scene: Scene) -> None:
        before = counted("refused", reason="no_ip")
        scene.work(json.dumps([{}, *items(GOOD_IP), {"ip": "999.1.1.1"}, {"note": "none"}]))
        (letter,) = scene.inbox.dead
        assert letter.reasons == {"no_ip": 2, "bad_address": 1}
        assert counted("refused", reason="no_ip") == before + 2
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}

    def test_what_was_buried_counts_when_it_is_put_right_and_sent_again(self, scene: Scene) -> None:
        scene.work(json.dumps(items("999.1.1.1")))
        scene.work(scene.inbox.dead[0].body.replace("999.1.1.1", GOOD_IP))
        assert scene.ledger.banned().keys() == {who(GOOD_IP)}

    def test_what_is_buried_fits_into_a_message(self, scene: Scene) -> None:
        addresses = [f"2001:db8:{number:x}:ffff:ffff:ffff:ffff:ffff" for number in range(10_000)]
        ahead_ms = NOW_MS + DAY_S * SECOND_MS
        pack = {"v": 1, "id": "pack-of-10000", "t0_ms": ahead_ms, "dt_ms": [0] * 10_000, "ip": addresses}
        text = json.dumps(pack, separators=(",", ":"))
        assert len(text) < SQS_MESSAGE_MAX_BYTES
        scene.work(text)
        assert sum(len(json.loads(letter.body)) for letter in scene.inbox.dead) == 10_000
        assert max(len(letter.body) for letter in scene.inbox.dead) < SQS_MESSAGE_MAX_BYTES - 1000

    def test_an_unknown_jail_is_judged_by_the_defaults_and_counted(self, scene: Scene) -> None:
        before = counted("unknown_jail")
        scene.work(body(GOOD_IP, jail="nobody-configured-it"))
        assert scene.ledger.banned().keys() == {who(GOOD_IP, "nobody-configured-it")}
        assert counted("unknown_jail") == before + 5
        assert scene.inbox.dead == []

    def test_an_infraction_of_nobody_who_may_be_banned_is_counted_and_gone(self, scene: Scene) -> None:
        before = counted("ignored", reason="own_range")
        scene.work(body("10.1.2.3"))
        assert counted("ignored", reason="own_range") == before + 5
        assert scene.ledger.banned() == {}
        assert (scene.inbox.dead, scene.inbox.left) == ([], set())


@pytest.mark.parametrize("ahead_ms", [1, 5 * MINUTE_MS, 5 * MINUTE_MS + 1, 20 * MINUTE_MS, 10**18])
def test_what_the_queue_stamped_is_never_in_the_future(scene: Scene, ahead_ms: int) -> None:
    for number in range(5):
        scene.inbox.put(json.dumps({"ip": GOOD_IP, "id": f"{number}"}), sent_at_ms=NOW_MS + ahead_ms)
    scene.work()
    assert scene.inbox.dead == []
    assert scene.ledger.banned().keys() == {who(GOOD_IP)}
    assert scene.ledger.banned()[who(GOOD_IP)].start_ms <= NOW_MS + 5 * MINUTE_MS


def test_a_private_address_is_worth_one_warning_an_hour_that_names_it_and_what_to_look_for(scene: Scene) -> None:
    with structlog.testing.capture_logs() as lines:
        scene.work(body("10.0.3.7"), body("10.0.3.8"), body(GOOD_IP))
        scene.clock.advance(3599)
        scene.work(body("10.0.3.9"))
        warned = [line for line in lines if line["event"] == "never_banned"]
        assert [(line["log_level"], line["address"]) for line in warned] == [("warning", "10.0.3.7")]
        assert "trusted_hops" in warned[0]["remedy"]
        scene.clock.advance(2)
        scene.work(body("10.0.3.9"))
    assert [line["address"] for line in lines if line["event"] == "never_banned"] == ["10.0.3.7", "10.0.3.9"]


def test_a_ban_of_a_jail_that_observes_is_not_called_one(scene: Scene) -> None:
    with structlog.testing.capture_logs() as lines:
        scene.work(body(GOOD_IP, jail="watch"), body(OTHER_IP))
    told = {(line["event"], line["key"]) for line in lines if line["event"] in {"banned", "would_ban"}}
    assert told == {("would_ban", f"{GOOD_IP}/32"), ("banned", f"{OTHER_IP}/32")}
