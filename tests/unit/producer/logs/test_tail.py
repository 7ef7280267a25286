"""Following a log: what is read whatever happens to the file, and what the command reports of it."""

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from f2b_producer.logs import Counts, FilterError, LogFilter, Tail, regexes, tail
from f2b_producer.logs.lines import LINE_MAX_CHARACTERS
from f2b_producer.report import main
from f2b_producer.testing import RecordingClient, unpack
from tests.unit.producer.logs.following import LINE, Impatient, add, follow, nothing

AT_S = datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC).timestamp()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def test_it_begins_at_the_end_and_gives_what_is_added(log: Path) -> None:
    add(log, "old\n")
    assert follow(log, lambda: add(log, "a\nb\n"), nothing, lambda: add(log, "c\n")) == ["a", "b", "c"]


def test_from_the_start_it_gives_all(log: Path) -> None:
    add(log, "old\n")
    assert follow(log, lambda: add(log, "a\n"), from_start=True) == ["old", "a"]


def test_a_line_counts_when_its_end_is_written(log: Path) -> None:
    add(log, "old\nhal")
    assert follow(log, lambda: add(log, "f, and ano"), lambda: add(log, "ther\nrest")) == ["half, and another"]


def test_a_file_that_is_not_there_is_waited_for_and_read_from_its_start(log: Path) -> None:
    assert follow(log, nothing, lambda: add(log, "first\n"), lambda: add(log, "second\n")) == ["first", "second"]


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(log: Path) -> None:
    def rotate() -> None:
        add(log, "a\n")
        log.rename(log.with_suffix(".1"))
        add(log, "new\n")

    def reopen_late() -> None:
        add(log.with_suffix(".1"), "late\nunfinished")

    add(log, "old\n")
    assert follow(log, rotate, reopen_late, lambda: add(log, "newer\n")) == [
        "a",
        "late",
        "unfinished",
        "new",
        "newer",
    ]


def test_a_renamed_file_is_followed_until_there_is_a_new_one(log: Path) -> None:
    moved = log.with_suffix(".1")
    add(log, "old\n")
    steps = (
        lambda: log.rename(moved),
        lambda: add(moved, "a\n"),
        nothing,
        lambda: add(log, "b\n"),
        nothing,
    )
    assert follow(log, *steps) == ["a", "b"]


def test_a_deleted_file_is_waited_for(log: Path) -> None:
    add(log, "old\n")
    assert follow(log, log.unlink, nothing, lambda: add(log, "new\n"), nothing) == ["new"]


def test_each_of_several_rotations_is_followed(log: Path) -> None:
    def rotation(number: int) -> Iterator[Callable[[], object]]:
        yield lambda: log.rename(log.with_suffix(f".{number}"))
        yield lambda: add(log, f"{number}\n")
        yield nothing

    add(log, "old\n")
    assert follow(log, *rotation(1), *rotation(2), *rotation(3)) == ["1", "2", "3"]


def test_a_truncated_file_is_read_from_its_start(log: Path) -> None:
    add(log, "2026-11-22 an old line\n")
    steps = (lambda: add(log, "a\npartial"), lambda: os.truncate(log, 0), lambda: add(log, "b\n"))
    assert follow(log, *steps) == ["a", "b"]


def test_a_file_that_was_truncated_and_has_grown_beyond_is_read_from_its_start(log: Path) -> None:
    add(log, "18:05:09 old\n")
    assert follow(log, lambda: log.write_text("18:05:10 new, and longer\nb\n")) == [
        "18:05:10 new, and longer",
        "b",
    ]


def test_a_line_without_end_does_not_fill_the_memory(log: Path) -> None:
    add(log, "x" * 5_000_000 + "\nshort\n")
    tail = Tail(str(log), from_start=True, wait=lambda: False)
    tracemalloc.start()
    lengths = [len(line.text) for turn in tail for line in turn]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lengths[-1] == len("short")
    assert lengths[0] > LINE_MAX_CHARACTERS
    assert peak_bytes < 1_000_000


def test_of_a_line_that_is_longer_than_what_is_kept_start_and_end_are_judged(log: Path) -> None:
    add(log, LINE.format("203.0.113.7").rstrip("\n") + " " + "x" * 5_000_000 + " 401\n")
    log_filter = LogFilter([r"from <HOST> x+ 401$"], zone=UTC)
    found = [log_filter.find(line, now_ms=int(AT_S) * 1000) for line in follow(log, nothing, from_start=True)]
    assert found == [("203.0.113.7", int(AT_S) * 1000)]


def test_an_end_of_more_than_a_line_is_not_searched_for_its_beginning(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "_LINE_MAX_BYTES", 4)
    add(log, "much longer than that\n")
    assert follow(log, lambda: add(log, "a\n")) == ["a"]


def test_every_line_is_counted_by_what_became_of_it() -> None:
    log_filter = LogFilter(["from <HOST>"], ["monitoring"], zone=UTC)
    lines = [
        b"no date yet from 203.0.113.1",
        LINE.format("203.0.113.7").encode(),
        b"  at from 203.0.113.8 \xff",
        LINE.format("example.com").encode(),
        LINE.format("203.0.113.9 monitoring").encode(),
        b"Nov 22 18:05:11 accepted\r",
        b"x" * (LINE_MAX_CHARACTERS + 1),
    ]
    assert [log_filter.find(line.decode(errors="replace"), now_ms=int(AT_S + 60) * 1000) for line in lines] == [
        ("203.0.113.1", int(AT_S + 60) * 1000),
        ("203.0.113.7", int(AT_S) * 1000),
        ("203.0.113.8", int(AT_S + 60) * 1000),
        None,
        None,
        None,
        None,
    ]
    assert log_filter.counts == Counts(matched=3, no_address=1, ignored=1, no_match=2, too_long=1, no_date=3)


def test_a_bom_before_a_file_of_regexes_or_a_log_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "regexes"
    file.write_text("\ufeff^<HOST> failed", "utf-8")
    found = LogFilter(regexes(f"@{file}", "failregex")).find("\ufeff203.0.113.7 failed", now_ms=1)
    assert found is not None
    assert found.ip == "203.0.113.7"


def test_regexes_come_from_a_file_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "regexes"
    file.write_text("# a comment\n^a <HOST>\n\n^b <HOST>\n")
    assert regexes(f"@{file}", "failregex") == ["^a <HOST>", "", "^b <HOST>", ""]
    assert regexes("^c <HOST>", "failregex") == ["^c <HOST>"]


def test_regexes_come_from_a_simple_fail2ban_filter(tmp_path: Path) -> None:
    file = tmp_path / "app.conf"
    file.write_text("# mine\n[Definition]\nfailregex = ^a=100%% <HOST>\n            ^b <HOST>\nignoreregex = c\n")
    assert regexes(f"@{file}", "failregex") == ["^a=100% <HOST>\n^b <HOST>"]
    assert regexes(f"@{file}", "ignoreregex") == ["c"]
    file.write_text("[Definition]\nfailregex = ^%(__prefix_line)sa <HOST>\n")
    with pytest.raises(FilterError, match=r"%\(__prefix_line\)s is for fail2ban's configuration"):
        LogFilter(regexes(f"@{file}", "failregex"))


@pytest.mark.parametrize("content", [None, b"\xff", b"failregex = a\n[Definition]\n"])
def test_a_file_of_regexes_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "regexes"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FilterError, match="regexes ") as refused:
        regexes(f"@{file}", "failregex")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--failregex", "<HOST>"], "need --tail FILE"),
        (["--tail", "no.log"], "--tail needs a --failregex"),
        (["--tail", "no.log", "--failregex", "a"], "'a': has no <HOST>"),
        (["--tail", "no.log", "--failregex", "<HOST>", "--ignoreregex", "("], "ignoreregex '(' at character 1"),
        (["--tail", "no.log", "--failregex", "@no.regexes"], "no.regexes cannot be read"),
        (["--tail", "no.log", "--failregex", "<HOST>", "--jail", "a b"], "jail is not"),
        (["--tail", "no.log", "--failregex", "<HOST>", "203.0.113.7"], "not both"),
        (["--tail", "/", "--failregex", "<HOST>"], "/ is not a file that can be read"),
        (["--state", "place"], "need --tail FILE"),
        (["--tail", "no.log", "--failregex", "<HOST>", "--state", "place", "--dry-run"], "leave --state out"),
    ],
)
def test_wrong_usage_is_named_and_exits_with_2(
    args: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--queue", "memory:", *args])
    assert ended.value.code == 2
    assert complaint in capfd.readouterr().err


def test_what_the_log_tells_is_sent_with_its_time_and_a_signal_ends_it_well(
    log: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(tail, "POLL_S", 5.0)  # the signal ends the wait
    add(log, LINE.format("203.0.113.7") + "2026-11-22T18:05:10Z ok\n" + LINE.format("2001:db8::1"))
    queue = Impatient()
    args = ["--queue", "memory:", "--jail", "login", "--note", "n", "--failregex", "failed from <HOST>$"]
    args += ["--weight", "3"]
    assert main([*args, "--tail", str(log), "--from-start"], client=queue) == 0
    assert [tuple(seen) for seen in queue.infractions()] == [
        ("203.0.113.7", "login", AT_S, "n", 3),
        ("2001:db8::1", "login", AT_S, "n", 3),
    ]
    assert capfd.readouterr().err == f"f2b-report: {log}: 2 matched, 1 no match; sent 2\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_while_the_queue_is_away_the_log_is_not_read_on(
    log: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("f2b_producer.report.CHUNK", 2)
    add(log, LINE.format("203.0.113.7") * 5)

    class Away(RecordingClient):
        def send_message_batch(self, **call: object) -> dict[str, object]:
            if len(self.calls) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().send_message_batch(**call)  # type: ignore[arg-type]

    queue = Away()
    queue.down = ConnectionError("away")
    args = ["--queue", "memory:", "--timeout", "0.2", "--failregex", "from <HOST>"]
    assert main([*args, "--tail", str(log), "--from-start"], client=queue) == 1
    err = capfd.readouterr().err
    assert "2 not sent, and the input after them not read" in err
    assert err.endswith("2 matched; sent 0\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_dry_run_shows_each_at_once_and_ends_with_0(log: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "f2b_producer.report", "--dry-run", "--tail", str(log)]
    with subprocess.Popen(
        [*command, "--failregex", "from <HOST>"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert "is not there yet: waiting for it" in process.stderr.readline()
        now = datetime.now(UTC)
        add(log, f"{now.isoformat()} login failed from 203.0.113.7\n")
        shown = process.stdout.readline()
        process.send_signal(number)
        assert process.wait(20) == 0
    at_s = int(now.timestamp() * 1000) / 1000
    assert [(seen.ip, seen.at_s) for seen in unpack(shown)] == [("203.0.113.7", at_s)]
    assert json.loads(shown)["v"] == 1


def test_nothing_of_this_is_loaded_for_reporting_alone() -> None:
    code = "import sys, f2b_producer, f2b_producer.report; sys.exit('f2b_producer.logs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
