"""What DynamoDB counts and bills: sizes of items, and the units of a write or a read."""

from typing import Any

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
PAGE_BYTES = 1024 * 1024
"""So much of one partition AWS answers to a call."""


def size_bytes(item: dict[str, Any]) -> int:
    """Work out an item's size as AWS bills it: names and values in UTF-8."""
    return sum(map(len, item)) + sum(map(_value_bytes, item.values()))


def _value_bytes(value: dict[str, Any]) -> int:
    ((kind, held),) = value.items()
    if kind == "S":
        return len(held) if held.isascii() else len(held.encode())
    if kind == "N":
        return len(held) // 2 + 2
    if kind in {"SS", "NS", "BS"}:
        return sum(map(len, held))
    if kind == "L":
        return 3 + sum(1 + _value_bytes(each) for each in held)
    if kind == "M":
        return 3 + len(held) + size_bytes(held)
    return _binary_bytes(held) if kind == "B" else 1


def _binary_bytes(held: str | bytes) -> int:
    """Count what the protocol carries as Base64, and a client in this process as it is."""
    return len(held) if isinstance(held, bytes) else len(held) * 3 // 4


def write_units(item_bytes: int) -> int:
    """Tell how many units a write of so many bytes is."""
    return max(1, -(-item_bytes // WRITE_UNIT_BYTES))


def read_units(read_bytes: int) -> int:
    """Tell how many units a consistent read of so many bytes is; what is not there counts as the least item."""
    return max(1, -(-read_bytes // READ_UNIT_BYTES))
