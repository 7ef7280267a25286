"""What a notice may be about, and how grave that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

BAN = "ban"
UNBAN = "unban"
SURGE = "surge"
OVERFLOW = "overflow"
LAG = "lag"
ENFORCER_LOST = "enforcer_lost"
DEAD_LETTERS = "dead_letters"
TEST = "test"

CONDITIONS = (SURGE, OVERFLOW, LAG, ENFORCER_LOST, DEAD_LETTERS)
"""What begins and ends: both are told, each once."""

KINDS = (BAN, UNBAN, *CONDITIONS)
"""All that a target may ask for."""

INFO, WARNING, CRITICAL = "info", "warning", "critical"
SEVERITIES = (INFO, WARNING, CRITICAL)
"""From the least to the gravest."""

SEVERITY_OF: Mapping[str, str] = {
    BAN: INFO,
    UNBAN: INFO,
    TEST: INFO,
    SURGE: CRITICAL,
    OVERFLOW: WARNING,
    LAG: WARNING,
    ENFORCER_LOST: CRITICAL,
    DEAD_LETTERS: WARNING,
}
"""How grave each kind is."""


class Condition(NamedTuple):
    """Something that holds of a fleet.

    Attributes:
        kind: What it is about.
        text: One line: what is wrong, and what to do.
        where: In which Region, or in which IP sets; empty: everywhere.
    """

    kind: str
    text: str
    where: str = ""

    @property
    def name(self) -> str:
        """By what it is told from all others, and remembered."""
        return f"{self.kind} {self.where}" if self.where else self.kind


def kind_of(name: str) -> str:
    """Read of which kind a condition is from its name."""
    return name.partition(" ")[0]


def where_of(name: str) -> str:
    """Read where a condition holds from its name."""
    return name.partition(" ")[2]


def is_grave_enough(kind: str, least: str) -> bool:
    """Tell whether a kind is as grave as *least*, or graver."""
    return SEVERITIES.index(SEVERITY_OF[kind]) >= SEVERITIES.index(least)
