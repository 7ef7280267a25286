"""Text that would move the cursor, write the clipboard or turn the direction of writing, if it were shown raw."""

STEERING = "".join(map(chr, [*range(32), *range(0x7F, 0xA0), *range(0x200E, 0x2010), *range(0x202A, 0x202F)]))
STEERING += "".join(map(chr, range(0x2066, 0x206A)))
SIGN = "52;c;aGk="
"""Stays readable, whatever is escaped around it."""

HOSTILE = f"Київ \x1b]{SIGN}\x07\x1b[2J{STEERING}"


def steering(text: str) -> list[str]:
    """Find what steers a terminal; each line of ours has an end."""
    return [each for each in text if each in STEERING and each != "\n"]
