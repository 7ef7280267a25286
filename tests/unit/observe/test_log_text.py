"""What a log line quotes from others steers no terminal, and forges no line."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import TYPE_CHECKING

import pytest
import structlog

from f2b_worker.observe import log
from f2b_worker.observe.lines import LinesFile
from tests.hostile import HOSTILE, SIGN, steering

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # structlog's own, which write nothing


class Stream(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def stream(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    opened = Stream(is_terminal=request.param)
    monkeypatch.setattr(sys, "stderr", opened)
    log.configure("info")
    yield opened
    structlog.reset_defaults()


def test_neither_texts_nor_what_holds_them_do(stream: Stream) -> None:
    structlog.get_logger().warning(HOSTILE, reason=HOSTILE, names=[HOSTILE], of={HOSTILE: HOSTILE})
    (line,) = stream.getvalue().splitlines()
    assert steering(COLOUR.sub("", line)) == []
    assert line.count(SIGN) == 5
    if not stream.isatty():
        assert json.loads(line)["reason"] == HOSTILE


def test_neither_does_an_error_with_its_traceback(stream: Stream) -> None:
    try:
        int(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert steering(COLOUR.sub("", stream.getvalue())) == []
    assert SIGN in stream.getvalue()


def test_what_others_write_to_standard_error_does_not_either() -> None:
    class Kept:
        text = b""

        def put(self, text: bytes) -> None:
            self.text += text

    kept = Kept()
    file = io.TextIOWrapper(LinesFile(kept, 2), encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[arg-type,type-var]
    file.write(f"Traceback:\n  {HOSTILE}\n")
    assert steering(kept.text.decode()) == []
    assert kept.text.startswith(f"Traceback:\n  {HOSTILE[:4]}".encode())
