from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.config.toml_file import read_toml
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path


def complaint(folder: Path, text: str) -> str:
    file = folder / "f2b.toml"
    file.write_text(text)
    with pytest.raises(StartError) as caught:
        read_toml(file)
    return str(caught.value)


def test_a_key_with_a_dot_below_the_plain_key_is_answered_with_the_quotes_that_it_needs(tmp_path: Path) -> None:
    told = complaint(tmp_path, "[jails.a]\nbantime = '1h'\n  bantime.increment = true\n")
    assert "f2b.toml: not TOML: " in told
    assert told.endswith('TOML needs quotes around a key with a dot: write "bantime.increment"')


def test_a_key_that_stands_twice_is_no_matter_of_quotes(tmp_path: Path) -> None:
    assert "quotes" not in complaint(tmp_path, "[jails.a]\nmaxretry = 3\nmaxretry = 4\n")
