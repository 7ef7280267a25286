"""Which settings of a worker exclude each other: those of a fleet, of standalone mode, and of a mere enforcer."""

from __future__ import annotations

from typing import Any

from f2b_worker.config.values import is_on


def belonging_together(values: dict[str, Any]) -> dict[str, Any]:
    """Complete the settings of one way to work.

    Raises:
        ValueError: If some belong to another way.
    """
    if is_on(values.get("enforce_only")):
        return _of_an_enforcer(values)
    return _of_one_host(values) if is_on(values.get("standalone")) else _of_a_fleet(values)


def _of_a_fleet(values: dict[str, Any]) -> dict[str, Any]:
    if _names_a_fleet(values) and values.get("state"):
        raise ValueError(
            "--state is the file of --standalone: leave out --state, or leave out --queue and --table"
        )
    return values


def _of_one_host(values: dict[str, Any]) -> dict[str, Any]:
    """Standalone mode has a queue of its own."""
    if _names_a_fleet(values):
        raise ValueError("--standalone keeps queue and ledger in --state: leave out --queue and --table")
    if str(values.get("processes", 1)) != "1":
        raise ValueError("--standalone has one judge process: leave out --processes")
    return {**values, "queue": None}


def _of_an_enforcer(values: dict[str, Any]) -> dict[str, Any]:
    """What only enforces takes nothing that belongs to a judge."""
    if is_on(values.get("standalone")) or values.get("state"):
        raise ValueError(
            "--enforce-only enforces the bans of a table: leave out --standalone and --state, or --enforce-only"
        )
    if values.get("queue") is not None:
        raise ValueError(
            "--enforce-only takes no infractions: leave out --queue (in the environment F2B_QUEUE, in the file "
            "queue under [worker]), or leave out --enforce-only"
        )
    if str(values.get("processes", 1)) != "1":
        raise ValueError("--enforce-only is one process: leave out --processes")
    return {**values, "queue": None, "processes": 1}


def _names_a_fleet(values: dict[str, Any]) -> bool:
    return values.get("queue") is not None or "table" in values
