"""The steps by which crowded networks become one entry each, while there is not room for all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import BITS, cidr_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

LADDER = {
    4: ((24, 128), (24, 64), (24, 32), (24, 16)),
    6: ((64, 16), (56, 128), (56, 64), (56, 32), (56, 16), (48, 64), (48, 16), (32, 1024)),
}
"""The steps by family: networks of that prefix with so many entries in them are one entry each, and so are those
of the steps before. The larger a network is, the later it comes: a /32 of IPv6 is all that a provider has."""


def crowded(keys: Iterable[str]) -> set[str]:
    """Find the networks that may have been written for those of *keys* in them; seconds of work for very many."""
    least = {family: {prefix: number // 2 for prefix, number in ladder} for family, ladder in LADDER.items()}
    counted: Counter[tuple[int, int, int]] = Counter()
    for key in keys:
        try:
            family, value, own = parts_of(key)
        except ValueError:
            continue  # no key at all; the roster names it
        counted.update(
            (family, prefix, value >> BITS[family] - prefix) for prefix in least[family] if prefix < own
        )
    return {
        cidr_of(family, place << BITS[family] - prefix, prefix)
        for (family, prefix, place), number in counted.items()
        if number >= least[family][prefix]
    }
