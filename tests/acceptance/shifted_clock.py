"""Run `f2b-worker` on a machine whose clock is off: `python shifted_clock.py SECONDS [option ...]`.

What is shifted is what Python tells as the time of day, before the worker is loaded; all else is as it is.
"""

from __future__ import annotations

import sys
import time


def shift(off_s: float) -> None:
    """Let the time of day be so many seconds ahead of what it is."""
    told_s, told_ns = time.time, time.time_ns
    time.time = lambda: told_s() + off_s
    time.time_ns = lambda: told_ns() + round(off_s * 1e9)


if __name__ == "__main__":
    shift(float(sys.argv.pop(1)))
    from f2b_worker.cli import main

    main()
