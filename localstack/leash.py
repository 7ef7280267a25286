"""Runs a Python module that ends when its parent does: ``python -P leash.py MODULE [ARGUMENT]…``.

The parent holds the other end of our standard input. However it ends, SIGKILL included, the kernel
closes that end and we see it. (PR_SET_PDEATHSIG would follow the *thread* that started us.)
This file is run by the interpreters of other environments too, so it imports nothing of ours.
"""

import os
import runpy
import signal
import sys
import threading

GRACE_S = 2.0


def _end_with_the_parent() -> None:
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    os._exit(1)


def main() -> None:
    """Run the module named by the first argument as ``__main__``."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
