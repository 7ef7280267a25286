"""Reports infractions to f2b: returns at once, never raises, loses nothing quietly.

>>> from f2b_producer import Producer
>>> f2b = Producer("https://sqs.eu-west-1.amazonaws.com/123456789012/f2b")
>>> f2b.report("203.0.113.7", jail="login")
"""

from f2b_producer._client import Producer
from f2b_producer._infraction import REASONS

TYPE_CHECKING = False  # `typing` alone would cost a third of what this import may cost
if TYPE_CHECKING:
    from f2b_producer._ground import Ground
    from f2b_producer._queue import QueueClient
    from f2b_producer._stats import Health, Stats

    __version__: str

__all__ = ["REASONS", "Ground", "Health", "Producer", "QueueClient", "Stats"]


def __getattr__(name: str) -> object:
    if name == "QueueClient":
        from f2b_producer._queue import QueueClient  # noqa: PLC0415 - as above

        return QueueClient
    if name in {"Ground", "Health", "Stats"}:
        from f2b_producer import _stats  # noqa: PLC0415 - as above

        return getattr(_stats, name)
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - costs more than all else here

        return version("f2b-producer")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
