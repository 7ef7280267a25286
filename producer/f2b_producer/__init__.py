"""Reports infractions to f2b: returns at once, never raises, loses nothing quietly.

>>> from f2b_producer import Producer
>>> f2b = Producer("https://sqs.eu-west-1.amazonaws.com/123456789012/f2b")
>>> f2b.report("203.0.113.7", jail="login")
"""

from f2b_producer._client import Producer
from f2b_producer._infraction import REASONS
from f2b_producer._sender import QueueClient
from f2b_producer._stats import Stats

__all__ = ["REASONS", "Producer", "QueueClient", "Stats"]
