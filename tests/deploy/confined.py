"""Runs a command as a unit of systemd confines it, where no systemd runs: `confined.py UNIT WRITABLE -- COMMAND`.

What the unit forbids is forbidden by the same means of the kernel: system calls and families of addresses by
seccomp, memory that is written and executed alike, rights by an empty bounding set, the disk by read-only mounts,
other processes by a /proc of its own. It stays root without a right, because the test's Python may lie in a home
folder. Not imitated: DynamicUser, ProtectHome, PrivateUsers, PrivateTmp (here /tmp cannot be written at all).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

from tests.deploy.units import Unit

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EQ, _MASKED_EQ = 4, 7
_WRITE, _EXEC = 0x2, 0x4
_FAMILIES = 46
"""AF_MAX of Linux."""


class _Compare(ctypes.Structure):
    """An argument of a call, and what it is compared with: libseccomp's `scmp_arg_cmp`."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


class _Filter:
    """A filter of libseccomp's that is filled rule by rule."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL(find_library("seccomp") or "libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, name: str, *compared: _Compare) -> None:
        """Add a rule for a call; one that this machine's processor does not have is none."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (_Compare * max(1, len(compared)))(*compared)
            self._check(
                self._library.seccomp_rule_add_array(
                    self._context, ctypes.c_uint32(action), number, len(compared), array
                ),
                name,
            )

    def load(self) -> None:
        self._check(self._library.seccomp_load(self._context), "seccomp_load")

    def _check(self, code: int, what: str) -> None:
        if code:
            raise OSError(-code, os.strerror(-code), what)


def _refused(code: int) -> int:
    return _ERRNO | code


def _system_calls(unit: Unit) -> None:
    """SystemCallFilter=: what is not in the set fails with EPERM."""
    calls = _Filter(_refused(errno.EPERM))
    for name in sorted(unit.system_calls()):
        calls.add(_ALLOW, name)
    calls.load()


def _memory() -> None:
    """MemoryDenyWriteExecute=, as systemd's own filter has it."""
    calls = _Filter(_ALLOW)
    both = _WRITE | _EXEC
    calls.add(_refused(errno.EPERM), "mmap", _Compare(2, _MASKED_EQ, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        calls.add(_refused(errno.EPERM), name, _Compare(2, _MASKED_EQ, _EXEC, _EXEC))
    calls.load()


def _families(unit: Unit) -> None:
    """RestrictAddressFamilies=: no socket of another family."""
    kept = {int(getattr(socket, name)) for name in unit.words("RestrictAddressFamilies")}
    calls = _Filter(_ALLOW)
    for family in range(_FAMILIES):
        if family not in kept:
            calls.add(_refused(errno.EAFNOSUPPORT), "socket", _Compare(0, _EQ, family, 0))
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
