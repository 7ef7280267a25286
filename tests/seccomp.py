"""Forbids system calls to a command, as a container or a unit may: `seccomp.py CALL… -- COMMAND`."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from ctypes.util import find_library

ALLOW = 0x7FFF0000
_ERRNO = 0x00050000


class Compare(ctypes.Structure):
    """An argument of a call, and what it is compared with: libseccomp's `scmp_arg_cmp`."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


class Filter:
    """A filter of libseccomp's that is filled rule by rule."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL(find_library("seccomp") or "libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, name: str, *compared: Compare) -> None:
        """Add a rule for a call; one that this machine's processor does not have is none."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (Compare * max(1, len(compared)))(*compared)
            self._check(
                self._library.seccomp_rule_add_array(
                    self._context, ctypes.c_uint32(action), number, len(compared), array
                ),
                name,
            )

    def load(self) -> None:
        """Hold this process to it, and all that comes of it."""
        self._check(self._library.seccomp_load(self._context), "seccomp_load")

    def _check(self, code: int, what: str) -> None:
        if code:
            raise OSError(-code, os.strerror(-code), what)


def refused(code: int) -> int:
    """Have a call fail with this error."""
    return _ERRNO | code


def main(*given: str) -> None:
    """Forbid the calls, and become the command."""
    end = given.index("--")
    calls = Filter(ALLOW)
    for name in given[:end]:
        calls.add(refused(errno.EPERM), name)
    calls.load()
    os.execvp(given[end + 1], given[end + 1 :])


if __name__ == "__main__":
    main(*sys.argv[1:])
