"""The place that is kept of a log, and what names an infraction, whatever happens to the log and its reader."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from f2b_producer._bells import Bell
from f2b_producer._following import Follower, Report, _id_of
from f2b_producer.logs import Bookmark, BookmarkError, LogFilter, Position, Tail
from f2b_producer.report import main
from f2b_producer.testing import RecordingClient
from tests.unit.producer.logs.following import LINE, Impatient, add, follow, nothing

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


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


def test_a_restart_amid_a_rotation_reads_what_is_written_before_the_log_is_reopened(
    reader: Reader, log: Path
) -> None:
    reader.read(lambda: add(log, "a\n"))
    old = log.rename(log.with_name("app.log.1"))
    add(log, "b\n")
    assert reader.read(lambda: add(old, "late\n")) == ["late", "b"]


def test_a_restart_between_two_rotations_reads_the_file_in_between(reader: Reader, log: Path) -> None:
    def rotate() -> None:
        old.rename(log.with_name("app.log.2"))
        log.rename(old)
        add(log, "c\n")

    reader.read(lambda: add(log, "a\n"))
    old = log.rename(log.with_name("app.log.1"))
    os.utime(old, (1, 1))
    add(log, "b\n")
    assert reader.read(rotate, nothing) == ["b", "c"]


def _edited(text: str) -> str:
    return text.replace("line 3", "***")


def _without_start(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[-3:])


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("change", [str, _edited, _without_start])
@pytest.mark.parametrize("is_read_meanwhile", [True, False])
def test_of_a_log_that_was_edited_or_cut_off_at_its_start_no_line_is_read_again(
    reader: Reader, log: Path, change: Callable[[str], str], *, in_place: bool, is_read_meanwhile: bool
) -> None:
    def rewrite() -> None:
        new = log.with_name("new")
        new.write_text(change(log.read_text()))
        if in_place:
            log.write_text(new.read_text())
            new.unlink()
        else:
            new.rename(log)

    def fill() -> None:
        add(log, "".join(f"line {number} of a log, with so many words that it is long\n" for number in range(9)))

    def write_on() -> None:
        add(log, "b\n")

    if is_read_meanwhile:
        assert reader.read(fill, rewrite, nothing, nothing, write_on)[9:] == ["b"]
    else:
        reader.read(fill)
        rewrite()
        write_on()
        assert reader.read(nothing) == ["b"]


def test_a_restart_after_a_rotation_reads_no_other_log_whose_name_begins_alike(reader: Reader, log: Path) -> None:
    reader.read(lambda: add(log, "a\n"))
    log.rename(log.with_name("app.log-20261129"))
    add(log, "b\n")
    add(log.with_name("app.log.err"), "a\n")
    add(log.with_name("app.logins"), "a\n")
    assert reader.read(nothing) == ["b"]


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


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', '{"version": 1, "log": "x", "offset": -1}'])
def test_a_place_that_cannot_be_read_is_said_and_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "place").write_text(content)
    warnings: list[str] = []
    assert Bookmark(str(tmp_path / "place"), "x").load(warnings.append) is None
    assert "holds no place that can be read" in warnings[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": 10**30},
        {"offset": 1 << 62, "fingerprint": ""},
        {"seen_ms": 10**30},
        {"turn_end": 10**30, "turn_ms": 1},
        {"turn_end": 6, "turn_ms": 10**17},
    ],
)
def test_a_place_with_a_number_that_no_file_or_clock_has_is_none(
    log: Path, reader: Reader, wrong: dict[str, object]
) -> None:
    reader.read(lambda: add(log, "a\n"))
    place = log.parent / "place"
    place.write_text(json.dumps(json.loads(place.read_text()) | wrong))
    assert Bookmark(str(place), str(log)).load(reader.warnings.append) is None
    assert "holds no place that can be read" in reader.warnings[0]


def test_a_place_without_a_fingerprint_is_in_no_file(log: Path, reader: Reader) -> None:
    reader.read(lambda: add(log, "a\n"))
    place = log.parent / "place"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"offset": 1000, "fingerprint": "", "ending": ""}))
    assert reader.read(lambda: add(log, "b\n")) == ["old", "a", "b"]
    assert "some lines may be missed" in reader.warnings[0]


def test_two_readers_never_share_a_place(log: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = Bookmark(str(tmp_path / "place"), str(log))
    first.hold()
    with pytest.raises(SystemExit) as ended:
        main(["--queue", QUEUE, "--tail", str(log), "--failregex", "<HOST>", "--state", str(tmp_path / "place")])
    assert ended.value.code == 2
    assert "place is in use: give each f2b-report a file of its own" in capfd.readouterr().err
    first.release()
    second = Bookmark(str(tmp_path / "place"), str(log))
    second.hold()
    second.release()


def test_the_lock_of_a_place_follows_no_link(log: Path, tmp_path: Path) -> None:
    (tmp_path / "place.lock").symlink_to(tmp_path / "other")
    with pytest.raises(BookmarkError, match=r"place\.lock cannot be written"):
        Bookmark(str(tmp_path / "place"), str(log)).hold()
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '203.0.113.7 - - [29/Nov/2026:16:00:00 +0000] "GET / HTTP/1.1" 404 1\n',
        '{"log": "a line of docker\\n", "time": "2026-11-29T16:00:00Z"}\n',
        '{"version": "1.1", "host": "of GELF"}\n{"version": "1.1", "host": "of GELF"}\n',
        "x" * 200_000,
    ],
)
def test_a_file_of_something_else_is_never_taken_for_the_place(tmp_path: Path, content: str) -> None:
    other = tmp_path / "access.log"
    other.write_text(content)
    with pytest.raises(BookmarkError, match=r"access\.log holds something else, which would be lost"):
        Bookmark(str(other), "x").load()
    assert other.read_text() == content


@pytest.mark.parametrize("exists", [True, False])
def test_a_log_is_never_the_file_of_its_own_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    if exists:
        (tmp_path / "a.log").touch()
        (tmp_path / "link").symlink_to("a.log")
        with pytest.raises(BookmarkError, match="link is the log itself"):
            Bookmark("link", "a.log").load()
    with pytest.raises(BookmarkError, match="is the log itself"):
        Bookmark("a.log", str(tmp_path / "a.log")).load()


def test_a_place_is_nobody_elses_and_is_never_written_through_a_link(tmp_path: Path) -> None:
    place, position = tmp_path / "place", Position(1, 2, "f", 3)
    Bookmark(str(place), "x").save(position)
    assert place.stat().st_mode & 0o777 == 0o600
    assert Bookmark(str(place), "x").load() == position
    (tmp_path / "other").write_text("mine")
    (tmp_path / "place.new").symlink_to(tmp_path / "other")
    Bookmark(str(place), "x").save(position)
    assert (tmp_path / "other").read_text() == "mine"
    with pytest.raises(BookmarkError, match="no/place cannot be written: No such file or directory"):
        Bookmark(str(tmp_path / "no" / "place"), "x").save(position)


class Ending(Bell):
    """Rings when it is waited for so many times."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self._waits = waits

    def wait(self, timeout_s: float | None = None) -> bool:  # noqa: ARG002 - time does not pass
        self._waits -= 1
        return self._waits < 0


@pytest.mark.parametrize("waits", [0, 3])
def test_who_ends_while_nothing_is_written_goes_on_from_there(log: Path, tmp_path: Path, waits: int) -> None:
    def found(*, from_start: bool) -> int:
        follower = Follower(
            str(log),
            LogFilter(["from <HOST>"]),
            Report("login", None, 1),
            end=Ending(waits),
            complain=lambda _: None,
        )
        bookmark = Bookmark(str(tmp_path / "place"), str(log))
        return len([one for one in follower.infractions(from_start=from_start, bookmark=bookmark) if one])

    add(log, LINE.format("203.0.113.7"))
    assert [found(from_start=True), found(from_start=True), found(from_start=False)] == [1, 0, 0]
    position = Bookmark(str(tmp_path / "place"), str(log)).load()
    assert position
    assert (position.offset, position.turn_end) == (log.stat().st_size, None)


@pytest.mark.parametrize(
    ("prepare", "complaint"),
    [
        (lambda place: Bookmark(str(place), "other.log").save(Position(1, 2, "f", 3)), "give each log a file"),
        (lambda place: place.mkdir(), "place is not a file"),
        (os.mkfifo, "place is not a file"),
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
