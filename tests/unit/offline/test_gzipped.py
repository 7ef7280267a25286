"""What a compressed file may unpack to, and what is said of one that unpacks to more."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from f2b_worker.cli.f2b import main
from f2b_worker.errors import StartError
from f2b_worker.offline import gzipped
from f2b_worker.offline.gzipped import FREE_BYTES, Gzipped

if TYPE_CHECKING:
    from pathlib import Path

LINE = json.dumps({"ip": "203.0.113.7", "time": 1_700_000_000}).encode() + b"\n"


def unpacked(packed: bytes) -> bytes:
    return io.BufferedReader(Gzipped(io.BytesIO(packed), "x.gz")).read()


def bomb(size_bytes: int) -> bytes:
    return gzip.compress(bytes(size_bytes))


def test_an_honest_file_is_read_whole_in_one_member_or_in_several() -> None:
    assert unpacked(gzip.compress(LINE * 1000)) == LINE * 1000
    assert unpacked(gzip.compress(LINE) + gzip.compress(LINE)) == LINE * 2
    assert unpacked(gzip.compress(b"")) == b""


def test_a_file_that_packs_ill_may_be_large() -> None:
    text = os.urandom(1 << 20).hex().encode() * 10
    assert unpacked(gzip.compress(text)) == text


def test_a_small_file_may_pack_as_well_as_it_can() -> None:
    assert len(unpacked(bomb(FREE_BYTES))) == FREE_BYTES


def test_a_file_that_unpacks_to_more_than_200_times_its_size_is_refused_long_before_its_end() -> None:
    packed = bomb(20 * FREE_BYTES)
    tracemalloc.start()
    with pytest.raises(StartError, match=r"x\.gz: unpacks to more than 200 times its size: if you trust it"):
        for _ in io.BufferedReader(Gzipped(io.BytesIO(packed), "x.gz")):
            pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3 * FREE_BYTES


def test_members_that_follow_each_other_are_bounded_together() -> None:
    with pytest.raises(StartError, match="more than 200 times"):
        unpacked(bomb(FREE_BYTES // 4) * 5)


def test_a_file_that_unpacks_to_more_than_fits_is_refused_whatever_its_ratio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gzipped, "UNPACKED_BYTES_MAX", 1 << 20)
    with pytest.raises(StartError, match=r"x\.gz: unpacks to more than 1 MiB: .* gunzip -c x\.gz \| f2b replay -"):
        unpacked(gzip.compress(os.urandom((1 << 20) + 1)))


@pytest.mark.parametrize(
    "packed",
    [LINE, gzip.compress(LINE * 1000)[:-20], gzip.compress(LINE)[:-8] + bytes(8), gzip.compress(LINE) + b"rest"],
    ids=["no gzip", "cut off", "wrong checksum", "something after it"],
)
def test_a_damaged_file_is_one_line_and_an_exit_code(packed: bytes, tmp_path: Path) -> None:
    file = tmp_path / "attack.ndjson.gz"
    file.write_bytes(packed)
    answer = CliRunner().invoke(main, ["replay", str(file)], prog_name="f2b")
    assert answer.exit_code == 3
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"f2b: {file}: cannot be unpacked: ")


def test_the_command_refuses_a_bomb_and_takes_what_an_honest_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "attack.ndjson.gz"
    file.write_bytes(bomb(FREE_BYTES + 1))
    answer = CliRunner().invoke(main, ["replay", str(file)], prog_name="f2b")
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "unpacks to more than 200 times its size" in answer.stderr
    file.write_bytes(gzip.compress(LINE * 5))
    answer = CliRunner().invoke(main, ["replay", str(file), "--json"], prog_name="f2b")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["infractions"] == 5


def test_a_line_that_fills_a_file_is_one_bad_line_and_the_next_one_counts(tmp_path: Path) -> None:
    file = tmp_path / "attack.ndjson"
    file.write_bytes(b" " * 3_000_000 + b"{" + b"\n" + LINE)
    answer = CliRunner().invoke(main, ["replay", str(file), "--json"], prog_name="f2b")
    assert json.loads(answer.stdout)["infractions"] == 1
    assert "left out: line 1: not JSON" in answer.stderr
