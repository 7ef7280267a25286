"""What it costs to forget unused hits: running bans that are missed when infractions come out of order.

For each of several moments, all infractions up to it are judged one at a time, in random order, and the
offenders are looked for that in-order judging has banned then, by ends that are not rounded up. Three
ledgers: what f2b keeps while infractions come late, what it keeps while they come in time, and the
findtime-wide buckets of a hit and of the one before it.

    python -m benchmarks.retention ../shared/oracle/elasticssh.infractions.ndjson
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from demo.checker import Infraction, Rules, owed
from demo.data import read
from f2b_worker.domain.jails import FOREVER_MS, Jail, Window
from f2b_worker.domain.judge.verdicts import Hit, Offender, forgettable, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RULES = Rules(maxretry=3, findtime_s=600, bantime_s=1800)
FINDTIME_MS = RULES.findtime_s * 1000
JAIL = Jail(windows=(Window(RULES.maxretry, FINDTIME_MS),), bantime_ms=RULES.bantime_s * 1000, forget_ms=None)
MOMENTS = 6
SEEDS = 1


def keep_unsettled(hits: frozenset[Hit], newest: Hit) -> frozenset[Hit]:
    """Keep what f2b keeps while infractions come this late."""
    del newest
    return hits - forgettable(hits, tuple(sorted(hits)), JAIL, settled_ms=0)


def keep_newest(hits: frozenset[Hit], newest: Hit) -> frozenset[Hit]:
    """Keep what f2b keeps while infractions come in time."""
    del newest
    return hits - forgettable(hits, tuple(sorted(hits)), JAIL, settled_ms=FOREVER_MS)


def keep_two_buckets(hits: frozenset[Hit], newest: Hit) -> frozenset[Hit]:
    """Remove the buckets before the one before the new hit's own."""
    oldest_bucket = newest.at_ms // FINDTIME_MS - 1
    return frozenset(hit for hit in hits if hit.at_ms // FINDTIME_MS >= oldest_bucket)


KEEPING = {
    "unsettled hits": keep_unsettled,
    "newest 32 hits": keep_newest,
    "two findtime buckets": keep_two_buckets,
}


def judged(
    infractions: Sequence[Infraction], keep: Callable[[frozenset[Hit], Hit], frozenset[Hit]]
) -> dict[str, int]:
    """Judge in the given order; answer the end of each offender's last ban."""
    offenders: dict[str, Offender] = defaultdict(Offender)
    for number, one in enumerate(infractions):
        hit = Hit(one.at_ms, str(number))
        offender = offenders[one.ip]
        verdict = judge(offender, [hit], JAIL, key=one.ip)
        ban = verdict.changed[-1] if verdict.changed else offender.ban
        offenders[one.ip] = Offender(keep(frozenset(verdict.unused), hit), ban)
    return {ip: offender.ban.until_ms for ip, offender in offenders.items() if offender.ban}


def main() -> None:
    """Print the missed bans of both ledgers for the file on the command line."""
    infractions = read(Path(sys.argv[1]))
    first_ms, last_ms = infractions[0].at_ms, infractions[-1].at_ms
    due = 0
    missed = dict.fromkeys(KEEPING, 0)
    for moment in range(1, MOMENTS + 1):
        now_ms = first_ms + (last_ms - first_ms) * moment // MOMENTS
        seen = [one for one in infractions if one.at_ms <= now_ms]
        running = {ban.key for ban in owed(seen, RULES) if ban.until_ms >= now_ms}
        for seed in range(SEEDS):
            random.Random(seed).shuffle(seen)
            due += len(running)
            for name, keep in KEEPING.items():
                ends = judged(seen, keep)
                missed[name] += sum(ends.get(ip, 0) < now_ms for ip in running)
    print(f"{sys.argv[1]}: {MOMENTS} moments, {SEEDS} random orders each, {due} running bans due")
    for name, number in missed.items():
        print(f"  {name:22} {number} missed ({100 * number / due if due else 0:.1f} %)")


if __name__ == "__main__":
    main()
