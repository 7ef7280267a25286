"""The command `f2b-worker`."""

from f2b_worker.cli.worker import main

__all__ = ["main"]
