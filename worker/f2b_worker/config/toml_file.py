from __future__ import annotations

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
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))  # editors of some systems begin a file with a BOM
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, or a number of thousands of digits
        raise StartError(f"{path}: not TOML: {error}{_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    # What begins a file in UTF-16 is no UTF-8.
    is_utf_16 = isinstance(error, UnicodeDecodeError) and error.object.startswith((b"\xff\xfe", b"\xfe\xff"))
    return "; the file is UTF-16: save it as UTF-8" if is_utf_16 else ""
