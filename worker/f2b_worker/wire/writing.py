"""Writes infractions as one message body."""

from __future__ import annotations

import json
import secrets
from itertools import pairwise
from typing import TYPE_CHECKING

from f2b_worker.domain.jails import DEFAULT_JAIL
from f2b_worker.wire.forms import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def new_pack_id() -> str:
    """Make a name that no other pack has."""
    return secrets.token_urlsafe(9)


def name_in_pack(pack_id: str, place: int) -> str:
    """Tell the name of an infraction that came in a pack without one of its own."""
    return f"{pack_id}.{place}"


def write_pack(
    infractions: Sequence[tuple[str, str, int]],
    *,
    notes: Mapping[int, str] | None = None,
    weights: Sequence[int] | None = None,
    pack_id: str | None = None,
) -> str:
    """Write (ip, jail, at_ms) infractions as one pack.

    Args:
        infractions: At least one.
        notes: By place among them.
        weights: One for each of them; all 1 by default.
        pack_id: Names the pack, and with their places the infractions; a new random one by default.
    """
    ips = _places(ip for ip, _, _ in infractions)
    jails = _places(jail for _, jail, _ in infractions)
    moments_ms = [at_ms for _, _, at_ms in infractions]
    pack: dict[str, object] = {
        "v": VERSION,
        "id": pack_id or new_pack_id(),
        "t0_ms": moments_ms[0],
        "dt_ms": [0, *(later - earlier for earlier, later in pairwise(moments_ms))],
        "ip": list(ips),
    }
    if len(ips) < len(infractions):
        pack["of"] = [ips[ip] for ip, _, _ in infractions]
    if list(jails) != [DEFAULT_JAIL]:
        pack["jail"] = list(jails)
    if len(jails) > 1:
        pack["in"] = [jails[jail] for _, jail, _ in infractions]
    if notes:
        pack["note"] = {str(place): note for place, note in notes.items()}
    if weights is not None:
        pack["weight"] = list(weights)
    return json.dumps(pack, separators=(",", ":"))


def _places(texts: Iterable[str]) -> dict[str, int]:
    """Number the distinct texts in the order of their first appearance."""
    return {text: place for place, text in enumerate(dict.fromkeys(texts))}
