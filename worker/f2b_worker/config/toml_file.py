from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        StartError: Naming the file, if it cannot be read or is no TOML.
    """
    text = ""
    try:
        text = path.read_text("utf-8-sig")  # editors of some systems begin a file with a BOM
        return tomllib.loads(text)
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, or a number of thousands of digits
        raise StartError(f"{path}: not TOML: {error}{_remedy(error, text)}") from error


def _remedy(error: Exception, text: str) -> str:
    # What begins a file in UTF-16 is no UTF-8.
    is_utf_16 = isinstance(error, UnicodeDecodeError) and error.object.startswith((b"\xff\xfe", b"\xfe\xff"))
    return "; the file is UTF-16: save it as UTF-8" if is_utf_16 else _quotes_missing(error, text)


def _quotes_missing(error: Exception, text: str) -> str:
    """Recognise fail2ban's `bantime.increment` below a bantime: for TOML it is a key of a table called bantime."""
    named = re.search(r"Cannot overwrite a value \(at line (\d+)", str(error))
    line = text.splitlines()[int(named[1]) - 1] if named else ""
    key = re.match(r"\s*([\w-]+\.[\w-]+)\s*=", line)
    return f'; TOML needs quotes around a key with a dot: write "{key[1]}"' if key else ""
