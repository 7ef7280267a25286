"""Runs a command as a unit of systemd confines it, where no systemd runs: `confined.py UNIT WRITABLE -- COMMAND`.

What the unit forbids is forbidden by the same means of the kernel: system calls and families of addresses by
seccomp, memory that is written and executed alike, rights by an empty bounding set, the disk by read-only mounts,
other processes by a /proc of its own. It stays root without a right, because the test's Python may lie in a home
folder. Not imitated: DynamicUser, ProtectHome, PrivateUsers, PrivateTmp (here /tmp cannot be written at all).
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.deploy.units import Unit
from tests.seccomp import ALLOW, Compare, Filter, refused

_EQ, _MASKED_EQ = 4, 7
_WRITE, _EXEC = 0x2, 0x4
_FAMILIES = 46
"""AF_MAX of Linux."""


def _system_calls(unit: Unit) -> None:
    """SystemCallFilter=: what is not in the set fails with EPERM."""
    calls = Filter(refused(errno.EPERM))
    for name in sorted(unit.system_calls()):
        calls.add(ALLOW, name)
    calls.load()


def _memory() -> None:
    """MemoryDenyWriteExecute=, as systemd's own filter has it."""
    calls = Filter(ALLOW)
    both = _WRITE | _EXEC
    calls.add(refused(errno.EPERM), "mmap", Compare(2, _MASKED_EQ, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        calls.add(refused(errno.EPERM), name, Compare(2, _MASKED_EQ, _EXEC, _EXEC))
    calls.load()


def _families(unit: Unit) -> None:
    """RestrictAddressFamilies=: no socket of another family."""
    kept = {int(getattr(socket, name)) for name in unit.words("RestrictAddressFamilies")}
    calls = Filter(ALLOW)
    for family in range(_FAMILIES):
        if family not in kept:
            calls.add(refused(errno.EAFNOSUPPORT), "socket", Compare(0, _EQ, family, 0))
    calls.load()


def _mounts(writable: Path) -> None:
    """ProtectSystem=strict, ProtectProc= and ProcSubset=, and the one folder that StateDirectory= gives."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    _mount("--bind", str(writable), str(writable))
    for point in sorted(set(points)):
        if not point.startswith(("/dev", "/proc", "/sys")):
            _mount("-o", "remount,bind,ro", point)
    _mount("-t", "proc", "-o", "subset=pid,hidepid=invisible", "proc", "/proc")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main(unit_file: str, writable: str, _: str, *command: str) -> None:
    """Confine this process, and become the command."""
    _mounts(Path(writable))
    without_rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]
    here = [sys.executable, "-m", "tests.deploy.confined", "--inside", unit_file, *command]
    os.execvp(without_rights[0], [*without_rights, *here])


def inside(unit_file: str, *command: str) -> None:
    """Give the last of it away, and become the command."""
    unit = Unit(Path(unit_file))
    os.umask(int(unit.one("UMask"), 8))
    _families(unit)
    _memory()
    _system_calls(unit)
    os.execvp(command[0], command)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
