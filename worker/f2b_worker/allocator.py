"""How the C library keeps memory: together, and no longer than it is used."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# Of <malloc.h>, in glibc.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

ARENAS = 1
"""By default each thread may fill an arena of its own, and no other thread uses what is free in that."""

OWN_MAPPING_BYTES = 256 * 1024
"""So large a block is a mapping of its own, and goes back to the system at once.

By default this bound rises with each such block that is freed, to 32 MB: then the tables that growing dictionaries
leave behind stay as holes.
"""


def keep_memory_together() -> None:
    """Have what is freed used again by any thread, or given back; before the first thread starts.

    Other C libraries than glibc have no such settings, and need none.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, ARENAS)
        mallopt(_M_MMAP_THRESHOLD, OWN_MAPPING_BYTES)
