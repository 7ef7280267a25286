"""Which version of the layout stored items have, and which workers may work with it."""

from __future__ import annotations

from typing import NamedTuple


class Schema(NamedTuple):
    """What a table or a file says of itself.

    Attributes:
        version: Of the layout, 1 at first.
        readable_from: The oldest version whose workers may work with it: what is newer they do not touch.
    """

    version: int
    readable_from: int


UNMARKED = Schema(1, 1)
"""What says nothing was made before there were marks."""


class Known(NamedTuple):
    """What this f2b knows of one layout.

    Attributes:
        written: What it writes, and marks.
        oldest: The oldest version that it can work with.
    """

    written: Schema
    oldest: int

    def refusal(self, found: Schema | None, what: str) -> str | None:
        """Say in one line why this f2b must not work with *what*, a table or a file with its name, or answer None.

        Args:
            found: How it is marked; None where it is not.
            what: For the line.
        """
        version, readable_from = found or UNMARKED
        ours = self.written.version
        known = f"format {ours}" if self.oldest == ours else f"formats {self.oldest} to {ours}"
        if found is None and self.oldest > UNMARKED.version:
            return (
                f"{what} does not say its format, and this f2b knows {known} only: run f2b provision. If "
                "an older f2b has written it, docs/upgrade.md says what to do"
            )
        if readable_from > ours:
            return f"a newer f2b wrote {what} in format {version}; this f2b knows format {ours}: update f2b"
        if version < self.oldest:
            return (
                f"an older f2b wrote {what} in format {version}; this f2b knows {known}: "
                "docs/upgrade.md says what to do"
            )
        return None

    def is_newer_than(self, found: Schema | None) -> bool:
        """Tell whether what is marked so, or not at all, is to be marked anew."""
        return found is None or found.version < self.written.version


def schema_of(version: object, readable_from: object) -> Schema | None:
    """Read a mark; None if it is none that any f2b writes."""
    if isinstance(version, int) and isinstance(readable_from, int) and 1 <= readable_from <= version:
        return Schema(version, readable_from)
    return None
