"""A listening socket that is handed to one process after another, as systemd hands over that of a socket unit.

The command becomes a process that finds it as sd_listen_fds(3) says. systemd-socket-activate gives its socket away
with the first start, so it can restart nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

_FIRST = 3


def handed(listener: socket, command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
    """Start a command that is handed a socket.

    Args:
        listener: It listens, and stays open here.
        command: What to start.
        how: What else `subprocess.Popen` is told.
    """
    number = listener.fileno()
    return subprocess.Popen([sys.executable, __file__, str(number), *command], pass_fds=[number], **how)


def main(number: str, *command: str) -> None:
    """Become the command: by then our process is its own, and LISTEN_PID can say so."""
    os.dup2(int(number), _FIRST, inheritable=True)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
