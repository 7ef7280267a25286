"""The commands `f2b`, `f2b-worker` and `f2b-shim`; each is imported late, because that takes half a second.

Little is imported before a command hears of signals: until then Python answers Ctrl-C, by a traceback.
"""

import signal

from f2b_worker.collector import imports, look_for_garbage_seldom
from f2b_worker.signals import RELOAD, UNHEEDED, leave_at_once


def main() -> None:
    """Run `f2b-worker`."""
    _go_on_for_now()
    leave_at_once("f2b-worker")
    from f2b_worker.observe.lines import open_standard_files  # noqa: PLC0415 - see above

    open_standard_files()
    with imports():
        from f2b_worker.cli.worker import main as command  # noqa: PLC0415 - as above

    command()


def main_of_shim() -> None:
    """Run `f2b-shim`."""
    _go_on_for_now()
    leave_at_once("f2b-shim")
    from f2b_worker.observe.lines import open_standard_files  # noqa: PLC0415 - see above

    open_standard_files()
    with imports():
        from f2b_worker.cli.shim import main as command  # noqa: PLC0415 - as above

    command()


def main_of_operator() -> None:
    """Run `f2b`."""
    leave_at_once("f2b")
    from f2b_worker.observe.lines import open_standard_files  # noqa: PLC0415 - see above

    open_standard_files()
    with imports():
        from f2b_worker.cli.f2b import main as command  # noqa: PLC0415 - as above

    look_for_garbage_seldom()  # of 100,000 bans none is garbage
    command(prog_name="f2b")


def _go_on_for_now() -> None:
    """Let what must not end a process that serves wait until it can be taken.

    SIGHUP asks a worker to read its jails, and a shim nothing at all.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {RELOAD, *UNHEEDED})
