"""What PID 1 of a container owes to processes that nobody else waits for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def reap_orphans(own: Collection[int] = ()) -> None:
    """As PID 1, take note of the death of processes whose parent died before them; they would fill the table.

    Args:
        own: Children that somebody here waits for, and may not find if they are reaped.
    """
    while os.getpid() == 1:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if dead is None or dead.si_pid in own:
            return
        os.waitpid(dead.si_pid, os.WNOHANG)
