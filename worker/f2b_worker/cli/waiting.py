"""Waits until WAF has what was done."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.output import remark
from f2b_worker.cli.reading import DURATION
from f2b_worker.domain.jails import SECOND_MS
from f2b_worker.domain.judge.explanations import entry_over
from f2b_worker.domain.networks import Networks
from f2b_worker.process.opening import chosen_blocklists
from f2b_worker.query.places import open_ip_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.ports import IpSet

LOOK_EVERY_S = 1.0
_NOBODY = Networks()

wait_option: Callable[[Any], Any] = click.option(
    "--wait",
    "wait_ms",
    type=DURATION,
    metavar="TIME",
    help="Wait until WAF has it, at most so long, e.g. 30s; it is said after how long.",
)


@dataclass(frozen=True, slots=True)
class Sets:
    """The IP sets of each blocklist."""

    of: Mapping[str, Sequence[IpSet]]

    def entries(self, blocklist: str) -> set[str]:
        """Read what the sets of a blocklist hold now."""
        return {entry for each in self.of.get(blocklist, ()) for entry in each.read().entries}


def open_sets(settings: OperatorSettings, jails: Jails, wanted: Iterable[str] = ()) -> Sets:
    """Open the IP sets that are named.

    Args:
        settings: They name those of `block`.
        jails: They name others.
        wanted: The blocklists that are waited for, if they are known.

    Raises:
        click.UsageError: If none is, or none of a blocklist that is waited for.
    """
    blocklists = chosen_blocklists(jails, settings)
    if not blocklists:
        raise click.UsageError("--wait looks into IP sets: name them with --ip-set or --config")
    lacking = ", ".join(sorted(set(wanted).difference(each.name for each in blocklists)))
    if lacking:
        raise click.UsageError(f"--wait looks into IP sets, and none of blocklist {lacking} is named")
    found: dict[str, list[IpSet]] = {}
    for name, ip_set in open_ip_sets(blocklists):
        found.setdefault(name, []).append(ip_set)
    return Sets(found)


def waited(  # noqa: PLR0913
    sets: Sets,
    wanted: Mapping[str, Iterable[str]],
    within_ms: int,
    allowed: Networks,
    *,
    gone: bool,
    staying: Networks = _NOBODY,
) -> bool:
    """Wait until WAF has every network, or none of them any more; say after how long, and answer whether it is so.

    Args:
        sets: Where to look.
        wanted: The networks, each with the blocklists that it is in.
        within_ms: The longest wait.
        allowed: Around whom networks are written in parts.
        gone: Whether they are to be gone, be it as themselves or in a network that they collapsed into.
        staying: The networks around them that are banned themselves: these do not go.
    """
    if unknown := sorted({name for lists in wanted.values() for name in lists}.difference(sets.of)):
        remark(f"no IP set of blocklist {', '.join(unknown)} is named: whether WAF has them there is not known")
    if any(set(sets.of).isdisjoint(lists) for lists in wanted.values()):
        return False
    clock = SystemClock()
    began_s, never = clock.monotonic_s(), threading.Event()
    left = {part: set(lists) & set(sets.of) for whole, lists in wanted.items() for part in allowed.rest_of(whole)}
    while True:
        for blocklist in {each for blocklists in left.values() for each in blocklists}:
            entries = sets.entries(blocklist)
            for network, blocklists in left.items():
                if blocklist in blocklists and _is_as_wanted(network, entries, staying, gone=gone):
                    blocklists.remove(blocklist)
        waited_s = clock.monotonic_s() - began_s
        if not any(left.values()):
            remark(f"WAF {'has let them go' if gone else 'has them'} after {waited_s:.1f} s")
            return True
        if waited_s * SECOND_MS >= within_ms:
            missing = ", ".join(sorted(network for network, blocklists in left.items() if blocklists)[:10])
            remark(f"after {waited_s:.1f} s WAF {'still has' if gone else 'does not have'} {missing}")
            return False
        clock.wait(never, LOOK_EVERY_S)


def _is_as_wanted(network: str, entries: set[str], staying: Networks, *, gone: bool) -> bool:
    over = entry_over(network, entries)
    if gone:
        return over is None or (over != network and staying.touches(over))
    return over is not None
