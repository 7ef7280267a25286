"""Following a log: what is read whatever happens to the file, and what the command reports of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from f2b_producer._following import _id_of
from f2b_producer.logs import (
    Bookmark,
    BookmarkError,
    Counts,
    FilterError,
    LogFilter,
    Position,
    Tail,
    regexes,
    tail,
)
from f2b_producer.logs.filters import LINE_MAX_CHARACTERS
from f2b_producer.report import main
from f2b_producer.testing import RecordingClient, unpack

AT_S = datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC).timestamp()
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"
LINE = "2026-11-22T18:05:09Z login failed from {}\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def add(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def follow(log: Path, *steps: Callable[[], object], from_start: bool = False) -> list[str]:
    """Return the lines that are read while each wait makes one of the *steps*; the last wait ends it."""
    remaining = iter(steps)

    def wait() -> bool:
        step = next(remaining, None)
        if step is not None:
            step()
        return step is not None

    return [line.text.decode() for turn in Tail(str(log), from_start=from_start, wait=wait) for line in turn]


def nothing() -> None:
    """Let a moment pass."""


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


def test_a_line_without_end_does_not_fill_the_memory(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_LINE_MAX_BYTES", 10)
    monkeypatch.setattr(tail, "_READ_BYTES", 4)
    add(log, "x" * 100 + "\nshort\n")
    lines = follow(log, nothing, from_start=True)
    assert lines == ["x" * 12, "short"]


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
    assert log_filter.counts == Counts(matched=3, no_address=1, ignored=1, no_match=1, too_long=1, no_date=2)


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


class Impatient(RecordingClient):
    """A queue that ends the command with a signal once it has the first message."""

    def send_message_batch(self, **call: object) -> dict[str, object]:
        answer = super().send_message_batch(**call)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGTERM)
        return answer


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


# --- The place that is kept, and what names an infraction. ---


class Reader:
    """A reader of a log that ends or dies, and goes on later from the place that it kept."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.now_ms = 1_000_000
        self.warnings: list[str] = []
        self.lines: list[str] = []
        self.ids: set[tuple[int, int, str]] = set()
        self.times: dict[str, list[tuple[int | None, int]]] = {}
        self._bookmark = Bookmark(str(log.parent / "place"), str(log))

    def read(self, *steps: Callable[[], object], dies: int | None = None) -> list[str]:
        """Read until the *steps* are done, or, as one who is killed, until *dies* lines were read."""
        self.now_ms += 60_000
        remaining = iter(steps)
        read: list[str] = []

        def wait() -> bool:
            self.now_ms += 500
            step = next(remaining, None)
            if step is not None:
                step()
            return step is not None

        tail = Tail(
            str(self.log),
            from_start=False,
            wait=wait,
            after=self._bookmark.load(),
            warn=self.warnings.append,
            clock_ms=lambda: self.now_ms,
        )
        self._bookmark.save(tail.position())
        for turn in tail:
            if turn.position:
                self._bookmark.save(turn.position)
            for line in turn:
                if len(read) == dies:
                    return read
                text = line.text.decode()
                read.append(text)
                self.ids.add((line.file, line.offset, text))
                self.times.setdefault(text, []).append((turn.since_ms, turn.now_ms))
            self._bookmark.save(tail.position())
        return read


@pytest.fixture
def reader(log: Path) -> Reader:
    add(log, "old\n")
    return Reader(log)


def test_a_restart_goes_on_where_the_reader_ended(reader: Reader, log: Path) -> None:
    assert reader.read(lambda: add(log, "a\nb\nhal")) == ["a", "b"]
    add(log, "f\nc\n")
    assert reader.read(lambda: add(log, "d\n")) == ["half", "c", "d"]
    assert reader.read(nothing) == []
    assert not reader.warnings


def test_what_was_written_while_nobody_read_is_known_to_be_of_that_time(reader: Reader, log: Path) -> None:
    reader.read(lambda: add(log, "a\n"))
    ended_ms = reader.now_ms - 500
    add(log, "b\n")
    reader.read(nothing)
    assert reader.times["b"] == [(ended_ms, ended_ms + 60_500)]


@pytest.mark.parametrize("dies", [0, 1, 2, 3, 4])
def test_who_is_killed_anywhere_repeats_only_the_same_infractions_with_the_same_times(
    reader: Reader, log: Path, dies: int
) -> None:
    add(log, "x\n")
    reader.read(lambda: add(log, "a\na\nb\n"), nothing, lambda: add(log, "c\n"), dies=dies)
    add(log, "d\n")
    reader.read(lambda: add(log, "e\n"))
    texts = sorted(text for _, _, text in reader.ids)
    assert texts == [text for text in ["a", "a", "b", "c", "d", "e"] if text != "c" or dies >= 3]
    assert all(len(set(times)) == 1 for times in reader.times.values())


def test_the_same_line_is_the_same_infraction_however_often_it_is_read_and_two_lines_are_two(log: Path) -> None:
    def names() -> list[str]:
        tail = Tail(str(log), from_start=True, wait=lambda: False)
        return [_id_of(line) for turn in tail for line in turn]

    add(log, "a\na\nb\n")
    first = names()
    add(log, "c\n")
    assert names()[:3] == first
    assert len(set(names())) == 4


def test_a_restart_after_a_rotation_reads_the_rest_of_the_old_file_first(reader: Reader, log: Path) -> None:
    assert reader.read(lambda: add(log, "a\n")) == ["a"]
    add(log, "b\n")
    log.rename(log.with_suffix(".log.1"))
    add(log, "c\n")
    assert reader.read(lambda: add(log, "d\n")) == ["b", "c", "d"]
    assert reader.read(nothing) == []
    assert not reader.warnings


def test_a_restart_after_several_rotations_reads_all_files_in_between(reader: Reader, log: Path) -> None:
    assert reader.read(lambda: add(log, "a\n")) == ["a"]
    for number, text in enumerate(["b", "c", "d"]):
        add(log, f"{text}\n")
        os.utime(log, (1_000_000 + number, 1_000_000 + number))
        log.rename(f"{log}.{9 - number}")
    add(log, "e\nunfinished")
    assert reader.read(lambda: add(log, " no more\n")) == ["b", "c", "d", "e", "unfinished no more"]
    assert not reader.warnings


def test_a_restart_after_copytruncate_reads_the_rest_in_the_copy_first(reader: Reader, log: Path) -> None:
    assert reader.read(lambda: add(log, "a\n")) == ["a"]
    add(log, "b\n")
    log.with_suffix(".log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
    add(log, "c, and it is longer than what was there\n")
    assert reader.read(nothing) == ["b", "c, and it is longer than what was there"]
    assert not reader.warnings
    assert {file for file, _, _ in reader.ids} == {log.stat().st_ino}  # named as if read in the file itself


def test_of_a_log_that_is_copied_and_truncated_while_it_is_read_nothing_is_missed(log: Path) -> None:
    def copy_and_truncate() -> None:
        add(log, "b\nc\n")
        log.with_suffix(".log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)

    add(log, "2026-11-22 an old line\n")
    assert follow(log, lambda: add(log, "a\n"), copy_and_truncate, lambda: add(log, "d\n")) == ["a", "b", "c", "d"]


def test_a_restart_after_a_truncation_begins_at_the_start_and_says_that_lines_may_be_missed(
    reader: Reader, log: Path
) -> None:
    assert reader.read(lambda: add(log, "a\n")) == ["a"]
    log.write_text("new\n")
    assert reader.read(lambda: add(log, "b\n")) == ["new", "b"]
    [warning] = reader.warnings
    assert "some lines may be missed" in warning


def test_a_restart_whose_old_file_is_gone_begins_at_the_start_of_the_new_one_and_says_so(
    reader: Reader, log: Path
) -> None:
    assert reader.read(lambda: add(log, "a\n")) == ["a"]
    log.rename(log.with_suffix(".gz"))
    add(log, "b\n")
    assert reader.read(nothing) == ["b"]
    assert "some lines may be missed" in reader.warnings[0]


def test_a_log_that_appears_while_nobody_waits_for_it_is_read_from_its_start(log: Path) -> None:
    reader = Reader(log)
    assert reader.read(nothing) == []
    add(log, "a\n")
    assert reader.read(nothing) == ["a"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', '{"version": 1, "log": "x", "offset": -1}'])
def test_a_place_that_cannot_be_read_is_said_and_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "place").write_text(content)
    warnings: list[str] = []
    assert Bookmark(str(tmp_path / "place"), "x").load(warnings.append) is None
    assert "holds no place that can be read" in warnings[0]


def test_a_place_is_nobody_elses_and_is_never_written_through_a_link(tmp_path: Path) -> None:
    place, position = tmp_path / "place", Position(1, 2, "f", 3)
    Bookmark(str(place), "x").save(position)
    assert place.stat().st_mode & 0o777 == 0o600
    assert Bookmark(str(place), "x").load() == position
    (tmp_path / "other").write_text("mine")
    (tmp_path / "place.new").symlink_to(tmp_path / "other")
    with pytest.raises(BookmarkError, match="place cannot be written"):
        Bookmark(str(place), "x").save(position)
    assert (tmp_path / "other").read_text() == "mine"


@pytest.mark.parametrize(
    ("prepare", "complaint"),
    [
        (lambda place: Bookmark(str(place), "other.log").save(Position(1, 2, "f", 3)), "give each log a file"),
        (lambda place: place.mkdir(), "place cannot be read: Is a directory"),
    ],
)
def test_a_place_that_cannot_be_kept_is_one_line_and_exits_with_2(
    log: Path,
    tmp_path: Path,
    prepare: Callable[[Path], object],
    complaint: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "place"
    prepare(place)
    with pytest.raises(SystemExit) as ended:
        main(["--queue", QUEUE, "--tail", str(log), "--failregex", "<HOST>", "--state", str(place)])
    assert ended.value.code == 2
    assert complaint in capfd.readouterr().err


def test_the_place_is_kept_once_the_queue_has_what_was_read(log: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    args = ["--queue", "memory:", "--tail", str(log), "--failregex", "from <HOST>", "--state", str(place)]
    args += ["--from-start"]
    add(log, LINE.format("203.0.113.7"))

    class Deaf(RecordingClient):
        def send_message_batch(self, **call: object) -> dict[str, object]:
            os.kill(os.getpid(), signal.SIGTERM)
            self.down = ConnectionError("away")
            return super().send_message_batch(**call)  # type: ignore[arg-type]

    assert main([*args, "--timeout", "0.2"], client=Deaf()) == 1
    first, second = Impatient(), Impatient()
    assert main(args, client=first) == 0
    add(log, LINE.format("203.0.113.8"))
    assert main(args, client=second) == 0
    assert [[seen.ip for seen in queue.infractions()] for queue in (first, second)] == [
        ["203.0.113.7"],
        ["203.0.113.8"],
    ]


def test_an_infraction_that_is_read_again_has_the_same_identity_and_time(log: Path) -> None:
    add(log, LINE.format("203.0.113.7") * 2)
    args = ["--queue", "memory:", "--tail", str(log), "--failregex", "from <HOST>", "--from-start"]
    read = []
    for queue in (Impatient(), Impatient()):
        assert main(args, client=queue) == 0
        [pack] = map(json.loads, queue.bodies)
        read.append((pack["t0_ms"], pack["dt_ms"], pack["ids"]))
    assert read[0] == read[1]
    assert len(set(read[0][2])) == 2
