"""How seldom Python looks for garbage that reference counting does not find.

What a worker or the shim remembers is a hundred thousand objects and more, nearly none of them garbage, and a look
through them comes after 700 new ones by default: half of the CPU that the judge itself takes in a botnet's attack,
a tenth of each of the shim's requests.
"""

from __future__ import annotations

import gc

OBJECTS_BETWEEN_LOOKS = 50_000
LOOKS_BEFORE_A_DEEPER_ONE = 50


def look_for_garbage_seldom() -> None:
    """Leave alone what was made until now, and look through what is made later less often, process-wide."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, LOOKS_BEFORE_A_DEEPER_ONE, LOOKS_BEFORE_A_DEEPER_ONE)
