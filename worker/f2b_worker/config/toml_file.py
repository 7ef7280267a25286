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
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, or a number of thousands of digits
        raise StartError(f"{path}: not TOML: {error}") from error
