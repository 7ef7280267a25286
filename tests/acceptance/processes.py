"""What the kernel says of processes, and a way to be its first one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def children_of(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as listing:  # noqa: PTH123
        pids = [int(child) for child in listing.read().split()]
    return [child for child in pids if b"spawn_main" in of_process(child, "cmdline")]


def of_process(pid: int, file: str) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/{file}", "rb") as text:  # noqa: PTH123
        return text.read()
    return b""


def server_of(worker: subprocess.Popen[bytes]) -> int:
    children = map(int, of_process(worker.pid, f"task/{worker.pid}/children").split())
    (server,) = [child for child in children if b"resource_tracker" not in of_process(child, "cmdline")]
    return server


def as_pid_1(command: list[str]) -> list[str]:
    return ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", *command]
