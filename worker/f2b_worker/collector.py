"""How seldom Python looks for garbage that reference counting does not find.

What a worker or the shim remembers is a hundred thousand objects and more, nearly none of them garbage, and a look
through them comes after 700 new ones by default: half of the CPU that the judge itself takes in a botnet's attack,
a tenth of each of the shim's requests.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECTS_BETWEEN_LOOKS = 50_000
LOOKS_BEFORE_A_DEEPER_ONE = 50


def look_for_garbage_seldom() -> None:
    """Leave alone what was made until now, and look through what is made later less often, process-wide."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, LOOKS_BEFORE_A_DEEPER_ONE, LOOKS_BEFORE_A_DEEPER_ONE)


@contextmanager
def imports() -> Iterator[None]:
    """Leave alone what is made in this block, now and later: of what is imported nearly nothing is garbage.

    The looks through it were a fifth of the CPU of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
