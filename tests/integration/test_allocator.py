"""The C library's memory, in a process of its own: what is freed goes back, and threads share one arena."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")

MIB = 1024 * 1024

HOLES = """
import os
from f2b_worker.allocator import keep_memory_together
keep_memory_together()

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

del [bytearray(30 * 2**20)][0]  # so the bound would rise
before = resident()
blocks, pins = [], []
for _ in range(10):
    blocks.append(bytes(bytearray(b"1") * 4 * 2**20))
    pins.append(bytes(2_000))
blocks.clear()
print(resident() - before)
"""

ARENAS = """
import ctypes, sys, threading
from f2b_worker.allocator import keep_memory_together
keep_memory_together()
here = threading.Barrier(9)

def work():
    held = [bytes(2_000) for _ in range(10)]
    here.wait()
    here.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for each in threads:
    each.start()
here.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
here.wait()
print(open(sys.argv[1]).read().count("<heap nr="))
"""


def told(code: str, *arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True, text=True, timeout=60
    )
    return int(done.stdout)


def test_large_blocks_go_back_to_the_system_although_something_behind_them_stays() -> None:
    assert told(HOLES) < MIB
    assert told(HOLES.replace("\nkeep_memory_together()", "")) > 10 * MIB, "or this test shows nothing"


def test_all_threads_share_one_arena(tmp_path: object) -> None:
    assert told(ARENAS, f"{tmp_path}/info") == 1
    assert told(ARENAS.replace("\nkeep_memory_together()", ""), f"{tmp_path}/info") > 1, "or this shows nothing"
