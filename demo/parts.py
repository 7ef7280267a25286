"""What a part of the road says goes on to the terminal, and its last words are remembered."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Self

REMEMBERED_CHARACTERS = 500
READ_WITHIN_S = 1.0


class Relay:
    """A log for one process: each line goes to this process's stderr at once.

    Attributes:
        path: Where the process writes to; it may be opened until the relay is closed.
    """

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        self._writing: int | None = writing
        self.path = Path(f"/dev/fd/{writing}")
        self._last = ""
        self._copying = threading.Thread(target=self._copy, daemon=True)
        self._copying.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def last_words(self) -> str:
        """Tell the last line of a process that is dead; no process is started with this relay any more."""
        self._end()
        return self._last or "(none)"

    def _end(self) -> None:
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None
        self._copying.join(READ_WITHIN_S)

    def _copy(self) -> None:
        with os.fdopen(self._reading, "rb") as lines:
            for line in lines:
                text = line.decode(errors="replace")
                self._last = text.strip()[:REMEMBERED_CHARACTERS] or self._last
                sys.stderr.write(text)
                sys.stderr.flush()
