from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut *items* into lists of at most *size*: AWS limits what one call may carry.

    itertools.batched does this from Python 3.12 on.
    """
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
