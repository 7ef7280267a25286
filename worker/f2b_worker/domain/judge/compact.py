"""A few bytes for each of many offenders, in little more memory than key and bytes take."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from codecs import unicode_escape_decode, unicode_escape_encode
from typing import TYPE_CHECKING

from f2b_worker.domain.judge.verdicts import OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES_MAX = 8
"""So many share a bucket on average: fewer would leave more objects, and more would make each look slower."""

_BUCKETS_LEAST = 64


class CompactTable:
    r"""Bytes by offender: 70 for 24 of them and the key of an IPv4 address; a dictionary takes 165.

    A dictionary has two objects an entry, each with a header of its own. Here several entries are one text, a
    bucket: b"\nNAME\tBASE64\nNAME\tBASE64\n". A name is the number of the jail and the key, escaped: nothing else
    in a bucket looks like one between its signs. A look takes 1 µs.

    One thread at a time may change it. Meanwhile any number may look, as long as it does not grow.

    Args:
        most: It grows only when there are more.
    """

    def __init__(self, most: int = 0) -> None:
        # A bucket is replaced as a whole, so who looks has one that fits together.
        self._buckets = [b"\n"] * max(_BUCKETS_LEAST, 2 * most // ENTRIES_MAX)
        self._jails: dict[str, bytes] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __contains__(self, who: OffenderId) -> bool:
        return self.get(who) is not None

    def __iter__(self) -> Iterator[tuple[OffenderId, bytes]]:
        """Go through all as they are now, whatever changes meanwhile."""
        return _entries(list(self._jails), list(self._buckets))

    def get(self, who: OffenderId) -> bytes | None:
        """Find the bytes of *who*."""
        jail, key = who
        number = self._jails.get(jail)
        if number is None:
            return None
        name = number + unicode_escape_encode(key)[0]
        bucket = self._buckets[hash(name) % len(self._buckets)]
        begin = bucket.find(b"\n%b\t" % name)
        return None if begin < 0 else a2b_base64(bucket[begin + len(name) + 2 : bucket.find(b"\n", begin + 1)])

    def put(self, who: OffenderId, value: bytes) -> None:
        """Keep bytes of *who*, instead of any that were there."""
        name = self._name(who)
        place = hash(name) % len(self._buckets)
        before, after, is_new = _around(self._buckets[place], name)
        self._buckets[place] = b"%b%b\t%b%b" % (before, name, b2a_base64(value), after)
        self._number += is_new
        if self._number > ENTRIES_MAX * len(self._buckets):
            self._grow()

    def forget(self, who: OffenderId) -> None:
        """Keep nothing of *who*."""
        name = self._name(who)
        place = hash(name) % len(self._buckets)
        before, after, is_new = _around(self._buckets[place], name)
        if not is_new:
            self._buckets[place] = before + after
            self._number -= 1

    def _name(self, who: OffenderId) -> bytes:
        jail, key = who
        number = self._jails.get(jail)
        if number is None:
            number = self._jails[jail] = b"%d:" % len(self._jails)
        return number + unicode_escape_encode(key)[0]

    def _grow(self) -> None:
        """Part each bucket in two, one by one: two tables at once would need half as much memory again."""
        buckets = self._buckets
        number = len(buckets)
        buckets += [b"\n"] * number
        for place in range(number):
            bucket, buckets[place] = buckets[place], b"\n"
            for entry in bucket.splitlines(keepends=True)[1:]:
                buckets[hash(entry[: entry.index(b"\t")]) % len(buckets)] += entry


def _around(bucket: bytes, name: bytes) -> tuple[bytes, bytes, bool]:
    """Answer what stands in a bucket before an entry and after it, and whether there is none of that name yet."""
    begin = bucket.find(b"\n%b\t" % name)
    if begin < 0:
        return bucket, b"", True
    return bucket[: begin + 1], bucket[bucket.find(b"\n", begin + 1) + 1 :], False


def _entries(jails: list[str], buckets: list[bytes]) -> Iterator[tuple[OffenderId, bytes]]:
    for bucket in buckets:
        for entry in bucket.splitlines()[1:]:
            name, _, value = entry.partition(b"\t")
            jail, _, key = name.partition(b":")
            yield OffenderId(jails[int(jail)], unicode_escape_decode(key)[0]), a2b_base64(value)
