"""The command `f2b-worker`."""

import signal

from f2b_worker.observe.lines import open_standard_files


def main() -> None:
    """Run the command; it is imported here, because that takes half a second in which a signal may come.

    SIGHUP asks a worker to read its jails, and must not end one that starts: it waits until the worker can take it
    or the command turns out to be another.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    open_standard_files()
    from f2b_worker.cli.worker import main as command  # noqa: PLC0415 - see above

    command()
