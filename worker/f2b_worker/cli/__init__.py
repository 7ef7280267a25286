"""The command `f2b-worker`."""

import signal
import sys

from f2b_worker.observe.lines import open_standard_files

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command; it is imported here, because that takes half a second in which a signal may come.

    SIGHUP asks a worker to read its jails, and must not end one that starts: it waits until the worker can take it
    or the command turns out to be another.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    open_standard_files()
    try:
        from f2b_worker.cli.worker import main as command  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.stderr.write("f2b-worker: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
    command()
