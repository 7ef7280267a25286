import enum
import logging
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from f2b_producer import REASONS, Producer
from f2b_producer._sender import ROUND_MAX_ATTEMPTS
from f2b_producer.testing import RecordingClient, Seen
from tests.unit.producer.gate import Gate

NEVER_S = 3_599  # a linger that no test waits out: packs leave when full, or at a flush


def test_what_is_reported_arrives_as_it_was_said(queue: RecordingClient, f2b: Producer) -> None:
    f2b.report("203.0.113.7", jail="login", at=1763833500.25, note="bad password")
    f2b.report(IPv6Address("2001:db8::1"), at=datetime(2026, 11, 22, 17, 45, tzinfo=timezone(timedelta(hours=1))))
    assert f2b.flush()
    assert queue.infractions() == [
        Seen("203.0.113.7", "login", 1763833500.25, "bad password"),
        Seen("2001:db8::1", "default", datetime(2026, 11, 22, 16, 45, tzinfo=UTC).timestamp(), None),
    ]


def test_without_a_time_it_is_the_time_of_the_call(queue: RecordingClient, f2b: Producer) -> None:
    before_s = time.time()
    f2b.report("203.0.113.7")
    after_s = time.time()
    f2b.flush()
    assert before_s - 0.001 <= queue.infractions()[0].at_s <= after_s + 0.001


def test_a_note_is_cut_and_can_always_be_decoded(queue: RecordingClient, f2b: Producer) -> None:
    for note in ("x" * 201, "", "\ud800 is no character", "\N{PILE OF POO}" * 300):
        f2b.report("203.0.113.7", note=note)
    f2b.flush()
    notes = [seen.note for seen in queue.infractions()]
    assert notes == ["x" * 200, None, "? is no character", "\N{PILE OF POO}" * 200]
    for body in queue.bodies:
        body.encode("ascii")


def test_an_enum_member_is_its_value(queue: RecordingClient, f2b: Producer) -> None:
    class Jail(str, enum.Enum):  # noqa: UP042 - the older spelling is the trap
        LOGIN = "login"

    f2b.report("203.0.113.7", Jail.LOGIN)
    f2b.flush()
    assert queue.infractions()[0].jail == "login"


def test_an_infraction_counts_once_or_for_the_weight_that_it_is_given(
    queue: RecordingClient, f2b: Producer
) -> None:
    class Gravity(enum.IntEnum):
        GRAVE = 10

    f2b.report("203.0.113.7", "login", None, "by position")
    f2b.report("203.0.113.7", weight=1000)
    f2b.report("203.0.113.7", weight=Gravity.GRAVE)
    assert f2b.flush()
    assert [seen.weight for seen in queue.infractions()] == [1, 1000, 10]


class Hostile:
    """Raises whatever is done with it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


class HostileZone(tzinfo):
    """Raises when asked for its offset."""

    def utcoffset(self, _: datetime | None, /) -> timedelta:
        raise ZeroDivisionError

    tzname = dst = utcoffset  # type: ignore[assignment]


NONSENSE: list[tuple[str, dict[str, Any]]] = [
    ("ip-type", {"ip": None}),
    ("ip-type", {"ip": 16909060}),
    ("ip-type", {"ip": b"203.0.113.7"}),
    ("ip-type", {"ip": ["203.0.113.7"]}),
    ("ip-empty", {"ip": ""}),
    ("ip-not-an-address", {"ip": "example.com"}),
    ("ip-not-an-address", {"ip": "203.0.113.7:https"}),
    ("ip-not-an-address", {"ip": "203.0.113.0/24"}),
    ("ip-not-an-address", {"ip": "203.0.113.7\0"}),
    ("ip-not-an-address", {"ip": "203.0.113.7 203.0.113.8"}),
    ("ip-not-an-address", {"ip": "\ud800"}),
    ("ip-not-an-address", {"ip": IPv6Address("fe80::1%eth0")}),
    ("jail", {"jail": ""}),
    ("jail", {"jail": None}),
    ("jail", {"jail": []}),
    ("jail", {"jail": "a b"}),
    ("jail", {"jail": "login\n"}),
    ("jail", {"jail": "j" * 65}),
    ("jail", {"jail": "gefängnis"}),
    ("at-naive", {"at": datetime(2026, 11, 22)}),  # noqa: DTZ001 - the point
    ("at-type", {"at": "2026-11-22T17:45:00Z"}),
    ("at-type", {"at": True}),
    ("at-type", {"at": 1j}),
    ("at-range", {"at": float("nan")}),
    ("at-range", {"at": float("inf")}),
    ("at-range", {"at": -1}),
    ("at-range", {"at": 1763833500123}),
    ("at-range", {"at": 10**400}),
    ("unreadable", {"at": datetime(2026, 11, 22, tzinfo=HostileZone())}),
    ("note-type", {"note": 5}),
    *(("weight", {"weight": weight}) for weight in (0, -1, 1001, 10**400, True, 1.0, 1.5, "3", None, [3])),
    ("unreadable", {"ip": Hostile()}),
    ("unreadable", {"jail": Hostile()}),
    ("unreadable", {"at": Hostile()}),
    ("unreadable", {"note": Hostile()}),
    ("unreadable", {"weight": Hostile()}),
]


@pytest.mark.parametrize(("reason", "said"), NONSENSE)
def test_nonsense_never_raises_and_is_counted_by_reason(
    f2b: Producer, reason: str, said: Mapping[str, Any]
) -> None:
    f2b.report(**{"ip": "203.0.113.7", **said})
    assert reason in REASONS
    assert f2b.stats().refused == {reason: 1}
    assert f2b.stats().accepted == 0


def test_nonsense_beside_sense_costs_only_itself(queue: RecordingClient, f2b: Producer) -> None:
    for _, said in NONSENSE:
        f2b.report(**{"ip": "203.0.113.7", **said})
        f2b.report(IPv4Address("203.0.113.8"))
    assert f2b.flush()
    assert len(queue.infractions()) == len(NONSENSE)
    assert sum(f2b.stats().refused.values()) == len(NONSENSE)


def test_each_reason_of_refusal_is_logged_once(queue: RecordingClient, caplog: pytest.LogCaptureFixture) -> None:
    with Producer("memory:", client=queue, linger_s=NEVER_S) as f2b:
        for _ in range(3):
            f2b.report("")
            f2b.report("203.0.113.7")
            f2b.flush()
    assert [record.getMessage() for record in caplog.records] == [
        "refused a report, logged once for each reason: ip is empty"
    ]


def test_eight_threads_lose_nothing() -> None:
    queue = RecordingClient()
    with Producer("memory:", client=queue, linger_s=0, max_buffered=200_000) as f2b:

        def reports(thread: int) -> None:
            for i in range(10_000):
                f2b.report(f"10.{thread}.{i >> 8}.{i & 255}", jail="login", at=i)

        threads = [threading.Thread(target=reports, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert f2b.flush(30)
        stats = f2b.stats()
    assert (stats.accepted, stats.sent, stats.dropped, stats.buffered) == (80_000, 80_000, 0, 0)
    seen = [infraction.ip for infraction in queue.infractions()]
    assert len(seen) == len(set(seen)) == 80_000


def test_a_report_does_not_wait_for_a_queue_that_does_not_answer() -> None:
    queue = Gate()
    with Producer("memory:", client=queue, linger_s=0) as f2b:
        f2b.report("203.0.113.1")
        assert queue.entered.wait(20)
        f2b.report("203.0.113.2")  # the sending thread is inside its call: this would hang
        assert f2b.stats().buffered == 2
        assert not f2b.flush(0)
        queue.open.set()
        assert f2b.flush()
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.1", "203.0.113.2"]


def test_overflow_drops_the_oldest_that_wait_and_counts_them(caplog: pytest.LogCaptureFixture) -> None:
    queue = Gate()
    with Producer("memory:", client=queue, linger_s=0, max_buffered=10) as f2b:
        f2b.report("10.0.0.0")
        assert queue.entered.wait(20)
        for i in range(1, 101):
            f2b.report(f"10.0.0.{i}")
            assert f2b.stats().buffered <= 10
        assert f2b.stats().dropped == 91
        queue.open.set()
        assert f2b.flush()
        stats = f2b.stats()
    assert [seen.ip for seen in queue.infractions()] == ["10.0.0.0", *(f"10.0.0.{i}" for i in range(92, 101))]
    assert (stats.accepted, stats.sent, stats.dropped, stats.buffered) == (101, 10, 91, 0)
    assert "buffer full: dropping the oldest" in caplog.text
    assert caplog.text.count("buffer full") == 1


def test_a_full_pack_does_not_linger() -> None:
    queue = Gate()
    queue.open.set()
    with Producer("memory:", client=queue, linger_s=NEVER_S) as f2b:
        for i in range(5_000):
            f2b.report(f"10.0.{i >> 8}.{i & 255}")
        assert queue.entered.wait(20)


def test_reports_close_together_share_a_message(queue: RecordingClient) -> None:
    with Producer("memory:", client=queue, linger_s=NEVER_S) as f2b:
        for i in range(100):
            f2b.report(f"10.0.0.{i}")
        f2b.flush()
    assert len(queue.bodies) == 1


def test_an_outage_loses_nothing_repeats_no_id_and_is_two_lines_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = RecordingClient()
    outage_calls = ROUND_MAX_ATTEMPTS + 1  # one round and a bit

    def fail(_entry: Mapping[str, str]) -> dict[str, object] | None:
        return {"Code": "InternalError", "Message": "away"} if len(queue.calls) <= outage_calls else None

    queue.fail = fail
    with Producer("memory:", client=queue, linger_s=NEVER_S) as f2b:
        f2b.report("203.0.113.7")
        assert f2b.flush(30)
        f2b.report("203.0.113.8")
        assert f2b.flush(30)
        stats = f2b.stats()
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7", "203.0.113.8"]
    assert len({call[0]["MessageBody"] for call in queue.calls}) == 2
    assert (stats.sent, stats.dropped, stats.buffered, stats.send_errors) == (2, 0, 0, outage_calls)
    assert [record.getMessage() for record in caplog.records] == [
        "cannot send, will go on trying: InternalError: away (1 infractions buffered)",
        "can send again",
    ]


def test_what_a_flush_could_not_send_stays_buffered() -> None:
    queue = RecordingClient()
    queue.down = ConnectionError("away")
    with Producer("memory:", client=queue, linger_s=0) as f2b:
        f2b.report("203.0.113.7")
        assert not f2b.flush(0)
        assert f2b.stats().buffered == 1
        queue.down = None
        assert f2b.flush(30)


def test_a_message_called_malformed_is_dropped_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    queue = RecordingClient()
    queue.fail = lambda _: {"Code": "InvalidMessageContents", "SenderFault": True}
    with Producer("memory:", client=queue, linger_s=NEVER_S) as f2b:
        f2b.report("203.0.113.7")
        assert not f2b.flush()
        stats = f2b.stats()
    assert (stats.accepted, stats.sent, stats.dropped, stats.buffered) == (1, 0, 1, 0)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_log_handler_that_raises_stops_nothing(queue: RecordingClient) -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError(record.getMessage())

    handler = Broken()
    logging.getLogger("f2b_producer").addHandler(handler)
    try:
        with Producer("memory:", client=queue) as f2b:
            f2b.report("")
            f2b.report("203.0.113.7")
            assert f2b.flush()
    finally:
        logging.getLogger("f2b_producer").removeHandler(handler)


def test_an_unexpected_error_in_the_thread_is_logged_and_counted(
    queue: RecordingClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Producer("memory:", client=queue, linger_s=NEVER_S) as f2b:
        with monkeypatch.context() as patch:
            patch.setattr("f2b_producer._rounds.encode", lambda _, **__: 1 / 0)
            f2b.report("203.0.113.7")
            assert not f2b.flush()
        f2b.report("203.0.113.8")
        assert f2b.flush()
        assert (f2b.stats().sent, f2b.stats().dropped, f2b.stats().buffered) == (1, 1, 0)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "settings",
    [
        {"queue_url": ""},
        {"queue_url": None},
        {"queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b.fifo"},
        {"max_buffered": 1},
        {"linger_s": -1},
        {"linger_s": float("nan")},
        {"flush_timeout_s": -1},
    ],
)
def test_a_setting_without_sense_is_named_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Producer(**{"queue_url": "memory:", **settings})


def test_the_testing_client_refuses_what_the_queue_refuses() -> None:
    queue = RecordingClient()
    for entries in (
        [],
        [{"Id": f"{i}", "MessageBody": "x"} for i in range(11)],
        [{"Id": "a", "MessageBody": "x"}] * 2,
        [{"Id": f"{i}", "MessageBody": "x" * 65_536} for i in range(5)],
    ):
        with pytest.raises(ValueError, match="AWS"):
            queue.send_message_batch(QueueUrl="memory:", Entries=entries)
    assert queue.bodies == []
