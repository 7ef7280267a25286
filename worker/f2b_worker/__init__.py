"""fail2ban for a fleet: the worker that judges infractions and keeps WAF IP sets equal to the bans."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - commands start sooner without it

        return version("f2b-worker")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
