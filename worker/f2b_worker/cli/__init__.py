"""The command `f2b-worker`."""

import signal


def main() -> None:
    """Run the command; it is imported here, because that takes half a second in which a signal may come.

    SIGHUP asks a worker to read its jails, which it is about to do anyway; it must not end one that starts.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from f2b_worker.cli.worker import main as command  # noqa: PLC0415 - see above

    command()
