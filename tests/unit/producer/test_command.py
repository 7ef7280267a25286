import io
import json
import threading
from typing import Any

import pytest

import f2b_producer
from f2b_producer.report import main
from f2b_producer.testing import RecordingClient, unpack
from tests.hostile import HOSTILE, steering


class Terminal(io.BytesIO):
    """Standard input with a person at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _queue_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_QUEUE", "memory:")


@pytest.fixture
def queue() -> RecordingClient:
    return RecordingClient()


def lines(*objects: object) -> io.BytesIO:
    return io.BytesIO("".join(json.dumps(said) + "\n" for said in objects).encode())


def test_addresses_are_sent_and_nothing_is_printed(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str]
) -> None:
    args = ["203.0.113.7", "2001:db8::1", "--jail", "login", "--note", "by hand"]
    assert main(args, client=queue, stdin=Terminal()) == 0
    assert [(seen.ip, seen.jail, seen.note) for seen in queue.infractions()] == [
        ("203.0.113.7", "login", "by hand"),
        ("2001:db8::1", "login", "by hand"),
    ]
    assert capfd.readouterr() == ("", "")


def test_the_version_is_one_line_and_needs_no_queue(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("F2B_QUEUE")
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"f2b-report, version {f2b_producer.__version__}\n"


@pytest.mark.parametrize("args", [[], ["-"]])
def test_lines_are_read_from_standard_input(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str], args: list[str]
) -> None:
    stdin = lines(
        {"ip": "203.0.113.7", "at": "2026-11-22T17:45:00Z"},
        {"ip": "203.0.113.8", "time": 1763833500.25, "jail": "scan", "note": "n", "weight": 3, "unknown": 1},
    )
    assert main([*args, "--jail", "login"], client=queue, stdin=stdin) == 0
    assert [tuple(seen) for seen in queue.infractions()] == [
        ("203.0.113.7", "login", 1795369500.0, None, 1),
        ("203.0.113.8", "scan", 1763833500.25, "n", 3),
    ]
    assert capfd.readouterr() == ("", "f2b-report: sent 2\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "ip is neither text"),
        (b'{"ip": "example.com"}', "ip is not one IPv4 or IPv6 address"),
        (b'{"ip": "203.0.113.7", "jail": "a b"}', "jail is not"),
        (b'{"ip": "203.0.113.7", "at": "yesterday"}', "at is not RFC 3339"),
        (b'{"ip": "203.0.113.7", "at": "2026-11-22T17:45:00"}', "at has no time zone"),
        (b'{"ip": "203.0.113.7", "at": NaN}', "at is not between"),
        (
            b'{"ip": "203.0.113.7", "at": 1763833500123}',
            "at is not between the years 1970 and 10000: it is",
        ),
        (b'{"ip": "203.0.113.7", "at": "1763833500123"}', "at is a number in quotes: leave the quotes out"),
        (b'{"ip": "203.0.113.7", "at": 1' + b"0" * 400 + b"}", "at is not between"),
        (b'{"ip": "203.0.113.7", "note": []}', "note is not text"),
        (b'{"ip": "203.0.113.7", "weight": 0}', "weight is not a whole number from 1 to 1000"),
        (b'{"ip": "203.0.113.7", "weight": "3"}', "weight is not"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_the_rest_is_sent(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str], line: bytes, reason: str
) -> None:
    stdin = io.BytesIO(b'{"ip": "203.0.113.1"}\n\n' + line + b'\n{"ip": "203.0.113.2"}')
    assert main([], client=queue, stdin=stdin) == 1
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.1", "203.0.113.2"]
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith(f"f2b-report: line 3: {reason}")
    assert second == "f2b-report: sent 2"


def test_a_bom_before_the_lines_is_no_part_of_them(queue: RecordingClient) -> None:
    stdin = io.BytesIO('\ufeff{"ip": "203.0.113.1"}\n\ufeff\n{"ip": "203.0.113.2"}\n'.encode())
    assert main([], client=queue, stdin=stdin) == 0
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.1", "203.0.113.2"]


def test_the_weight_of_the_command_is_that_of_whatever_has_none(queue: RecordingClient) -> None:
    assert main(["203.0.113.7", "--weight", "5"], client=queue, stdin=Terminal()) == 0
    stdin = lines(*({"ip": "203.0.113.7", "weight": weight} for weight in (None, 1, 1000)), {"ip": "203.0.113.8"})
    assert main(["--weight", "5"], client=queue, stdin=stdin) == 0
    assert [seen.weight for seen in queue.infractions()] == [5, 5, 1, 1000, 5]


@pytest.mark.parametrize("weight", ["0", "1001", "-1", "1.5", "three", ""])
def test_a_wrong_weight_is_wrong_usage_and_told(weight: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["203.0.113.7", f"--weight={weight}"], stdin=Terminal())
    assert ended.value.code == 2
    assert "argument --weight: not a whole number from 1 to 1,000" in capfd.readouterr().err


def test_a_bad_address_is_named_and_the_rest_is_sent(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["203.0.113.7", "localhost"], client=queue, stdin=Terminal()) == 1
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7"]
    assert capfd.readouterr().err.startswith("f2b-report: localhost: ip is not one")


def test_a_line_is_sent_while_the_next_is_awaited(queue: RecordingClient) -> None:
    arrived = threading.Event()
    take = queue.send_message_batch

    def send_message_batch(**call: Any) -> Any:
        answer = take(**call)
        arrived.set()
        return answer

    class Following(io.BytesIO):
        def __next__(self) -> bytes:
            if not arrived.is_set() and self.tell():
                assert arrived.wait(20)
            return super().__next__()

    queue.send_message_batch = send_message_batch  # type: ignore[method-assign]
    stdin = Following(b'{"ip": "203.0.113.1"}\n{"ip": "203.0.113.2"}\n')
    assert main([], client=queue, stdin=stdin) == 0
    assert len(queue.bodies) == 2


def test_ctrl_c_ends_the_input_and_what_was_read_is_sent(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(io.BytesIO):
        def __next__(self) -> bytes:
            if self.tell():
                raise KeyboardInterrupt
            return super().__next__()

    assert main([], client=queue, stdin=Interrupted(b'{"ip": "203.0.113.1"}\nx')) == 0
    assert capfd.readouterr().err == "f2b-report: sent 1\n"


def test_more_than_the_buffer_holds_passes_through(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str]
) -> None:
    stdin = io.BytesIO(b'{"ip": "203.0.113.7", "at": 1763833500}\n' * 110_000)
    assert main([], client=queue, stdin=stdin) == 0
    assert len(queue.infractions()) == 110_000
    assert capfd.readouterr().err == "f2b-report: sent 110000\n"


def test_a_queue_that_is_away_is_given_up_in_time_and_what_was_read_is_counted(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str]
) -> None:
    queue.down = ConnectionError("away")
    gave_up = "f2b-report: 20000 not sent, and the input after them not read\nf2b-report: sent 0\n"
    stdin = io.BytesIO(b'{"ip": "203.0.113.7"}\n' * 20_001)
    assert main(["--timeout", "0.2"], client=queue, stdin=stdin) == 1
    assert capfd.readouterr().err.endswith(gave_up)


def test_a_dry_run_shows_the_messages_and_sends_nothing(
    queue: RecordingClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("F2B_QUEUE")
    assert main(["203.0.113.7", "--dry-run"], client=queue, stdin=Terminal()) == 0
    out, err = capfd.readouterr()
    assert [seen.ip for seen in unpack(out)] == ["203.0.113.7"]
    assert err == ""
    assert queue.calls == []


@pytest.mark.parametrize(
    "args", [["--nonsense"], ["203.0.113.7", "--queue", ""], ["203.0.113.7", "--timeout", "-1"], []]
)
def test_wrong_usage_exits_with_2(args: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(args, stdin=Terminal())
    assert ended.value.code == 2
    assert "usage: f2b-report" in capfd.readouterr().err


def test_the_help_has_an_example_and_the_exit_status(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capfd.readouterr().out
    assert "f2b-report 203.0.113.7 --jail login" in text
    assert "exit status: 0 all sent; 1 something was refused or not sent; 2 wrong usage" in text


def test_the_name_of_a_queue_is_refused_in_one_line_that_asks_for_its_url(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["203.0.113.7", "--queue", "f2b"], stdin=Terminal())
    assert ended.value.code == 2
    assert "--queue f2b is no URL: give the queue's URL, not its name" in capfd.readouterr().err


def test_a_fifo_queue_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["203.0.113.7", "--queue", "https://sqs.eu-west-1.amazonaws.com/1/f2b.fifo"], stdin=Terminal())
    assert ended.value.code == 2
    assert "--queue names a FIFO queue, where one bad message holds up all others" in capfd.readouterr().err


def test_what_was_read_steers_no_terminal(queue: RecordingClient, capfd: pytest.CaptureFixture[str]) -> None:
    said = [{"ip": HOSTILE}, {"ip": "203.0.113.7", "note": HOSTILE}]
    assert main([], client=queue, stdin=lines(*said)) == 1
    assert main([HOSTILE], client=queue) == 1
    assert main(["--dry-run"], client=queue, stdin=lines(*said)) == 1
    out, err = capfd.readouterr()
    assert steering(out + err) == []
    assert [seen.note for seen in unpack(out)] == [seen.note for seen in queue.infractions()]
