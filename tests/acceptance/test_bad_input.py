from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.attacks import now_ms, send_bodies
from tests.envelopes import S3_TEST, in_base64, in_eventbridge, in_sns

if TYPE_CHECKING:
    from demo.fleet import Fleet

pytestmark = pytest.mark.localstack

GOOD = "203.0.113.50"
YEAR_S = 365 * 24 * 3600


def bad_bodies() -> dict[str, str]:
    """Message bodies by the reason that they must be refused for."""
    now_s = now_ms() / 1000
    return {
        "not_json": '{"ip": ',
        "unknown_version": '{"v": 9, "ip": "203.0.113.1"}',
        "empty": "[]",
        "bad_shape": '"203.0.113.1"',
        "no_ip": json.dumps([{"jail": "login"}, {"ip": GOOD}]),
        "bad_address": json.dumps(
            [{"ip": "host.example"}, {"ip": "999.1.1.1"}, {"ip": "10.0.0.0/8"}, {"ip": GOOD}]
        ),
        "bad_jail": json.dumps([{"ip": "203.0.113.1", "jail": "no jail"}, {"ip": GOOD}]),
        "bad_time": json.dumps([{"ip": "203.0.113.1", "at": "yesterday"}]),
        "in_future": json.dumps([{"ip": "203.0.113.1", "at": now_s + YEAR_S}]),
        "too_old": json.dumps([{"ip": "203.0.113.1", "at": now_s - YEAR_S}]),
    }


def test_bad_input_ends_in_the_dead_letter_queue_with_its_reason_and_its_neighbours_are_judged(
    fleet: Fleet,
) -> None:
    bad = bad_bodies()
    fleet.start_worker("--log-level", "error")
    send_bodies(fleet, list(bad.values()))
    fleet.wait_until_judged()

    letters = fleet.dead_letters()
    reasons = [letter["MessageAttributes"]["f2b.reason"]["StringValue"] for letter in letters]
    assert sorted(reasons) == sorted(bad)
    assert [ban.key for ban in fleet.bans()] == [GOOD]  # its three reports stood beside three bad ones


def test_what_other_services_wrapped_up_is_judged_and_what_is_no_infraction_is_named(fleet: Fleet) -> None:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    wrapped = [
        json.dumps(in_sns({"ip": GOOD}, Timestamp=now, MessageId="one")),
        json.dumps(in_eventbridge({"ip": f"[::ffff:{GOOD}]:443"}, time=now)),
        in_base64({"ip": f" {GOOD}\n"}),
    ]
    fleet.start_worker("--log-level", "error")
    send_bodies(fleet, [*wrapped, json.dumps(S3_TEST), json.dumps(in_sns("hello"))])
    fleet.wait_until_judged()

    assert [ban.key for ban in fleet.bans()] == [GOOD]
    attributes = [letter["MessageAttributes"] for letter in fleet.dead_letters()]
    assert [each["f2b.reason"]["StringValue"] for each in attributes] == ["envelope", "envelope"]
    told = " ".join(each["f2b.detail"]["StringValue"] for each in attributes)
    assert "a test message of S3, no infraction" in told
    assert "with raw message delivery enabled" in told


def test_what_is_refused_keeps_its_text_and_names_what_is_wrong(fleet: Fleet) -> None:
    fleet.start_worker("--log-level", "error")
    send_bodies(fleet, ["\x7fELF\u00ff not json"])
    fleet.wait_until_judged()

    (letter,) = fleet.dead_letters()
    assert letter["Body"] == "\x7fELF\u00ff not json"
    assert letter["MessageAttributes"]["f2b.detail"]["StringValue"].startswith("not JSON")


def test_a_jail_that_nobody_configured_is_judged_by_the_defaults(fleet: Fleet) -> None:
    fleet.start_worker("--log-level", "error")
    send_bodies(fleet, [json.dumps([{"ip": GOOD, "jail": "unheard-of", "id": str(n)} for n in range(3)])])
    fleet.wait_until_judged()

    assert [(ban.jail, ban.length_ms) for ban in fleet.bans()] == [("unheard-of", 1_800_000)]


def test_private_addresses_are_never_banned_and_not_refused(fleet: Fleet) -> None:
    fleet.start_worker("--log-level", "error")
    send_bodies(fleet, [json.dumps([{"ip": ip} for ip in ("10.1.2.3", "::ffff:192.168.0.1", "fe80::1") * 5])])
    fleet.wait_until_judged()

    assert fleet.bans() == []
    assert fleet.dead_letters() == []
