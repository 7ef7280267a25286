"""What the day before the walk brought: without it the charts would have a few minutes to show."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from demo.fleet import NAME
from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.tally import HOUR_MS, MINUTES, Kind, Sheet, hour_of
from tests.acceptance.attacks import now_ms

if TYPE_CHECKING:
    from demo.fleet import Fleet

JAILS = {"login": 6.0, "scan": 3.0, "api": 1.5}
"""Each with its infractions a minute at noon."""
HOURS = 24
ATTACK_HOURS = (5, 6)
"""So many hours before the walk somebody tried passwords."""


def note_a_day(fleet: Fleet) -> None:
    """Note what a small fleet counts in a day; the hour of the walk is its own."""
    random = Random(20)
    tally = DynamoTally(fleet.dynamodb, NAME)
    this_hour_ms = hour_of(now_ms())
    for before in range(1, HOURS + 1):
        tally.note("the-day-before", hour(random, this_hour_ms - before * HOUR_MS, before))


def hour(random: Random, hour_ms: int, before: int) -> Sheet:
    """Make one hour up."""
    sheet = Sheet(hour_ms)
    daylight = 0.4 + 0.6 * math.sin(math.pi * (before % HOURS) / HOURS)
    for jail, at_noon in JAILS.items():
        attacked = 5.0 if jail == "login" and before in ATTACK_HOURS else 1.0
        for minute in range(MINUTES):
            number = round(random.expovariate(1.0) * at_noon * daylight * attacked)
            sheet.add(Kind.INFRACTIONS, jail, hour_ms + minute * MINUTE_MS, number)
            sheet.add(Kind.BANS, jail, hour_ms + minute * MINUTE_MS, number // 6)
            sheet.add(Kind.UNBANS, jail, hour_ms + minute * MINUTE_MS, number // 7)
    return sheet
