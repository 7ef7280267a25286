"""fail2ban's jail options: how f2b reads those with a counterpart, and what to do about the others."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.config.fail2ban_options import ADVICE, NO_COMMAND
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import FOREVER_MS, SECOND_MS
from f2b_worker.domain.networks import Networks
from f2b_worker.offline.fail2ban_import.arithmetic import compute, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

Value = bool | int | float | str | tuple[str, ...] | tuple[float, ...]

FILE_PREFIX = "file:"
RECIDIVE = "recidive"  # f2b's key, and the name of fail2ban's filter and jail
DAEMON_SECTIONS = ("Definition", "Thread")  # of fail2ban.conf
_TRUE, _FALSE = {"1", "yes", "true", "on"}, {"0", "no", "false", "off"}
_MAXRETRY_MAX = 1000
_FOR_EVER = -1

SERVER = "belongs to fail2ban's server; f2b-worker's own settings are in docs/settings.md"
_ACTION_VARIABLES = ("action_", "abuseipdb_", "blocklist_de_", "cloudflare_")
_OF_RECIDIVE = ("filter", "logpath", "journalmatch", "backend", "mode")  # how it reads fail2ban's log
_UNKNOWN = "no jail option that f2b knows: left out"
_BECAME = {
    "ignoreself": "became own_ranges: private, loopback and similar addresses are never banned. A worker does not "
    "run on the attacked hosts: add their public addresses to ignoreip",
    "bantime.formula": 'became the multiples of bantime that it gives, "bantime.multipliers", where bans grow',
}
_INCLUDES = "included files are not read: if they set more than paths, name them, too, in fail2ban's order"
FIRST_FAILURE = "fail2ban bans at the first failure, so it became 1"


@dataclass(frozen=True, slots=True)
class Wrong:
    """An option whose value cannot be taken over."""

    option: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.option} = {self.text!r}: {self.reason}: left out"


def flag(text: str) -> bool:
    """Read a boolean."""
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("neither true nor false")
    return text.lower() in _TRUE


def _maxretry(text: str) -> int:
    refused = f"f2b takes 1 to {_MAXRETRY_MAX}"
    try:
        count = int(text)
    except ValueError:
        raise ValueError(refused) from None
    if count > _MAXRETRY_MAX:  # a smaller one would ban those whom fail2ban leaves alone
        raise ValueError(refused)
    return max(1, count)  # with 0, fail2ban bans at the first failure


def _length(text: str) -> float | str:
    """Read a duration that is not zero."""
    length = _duration(text)
    if parse_duration_ms(length) == 0:
        raise ValueError("f2b takes more than 0")
    return length


def _finite_length(text: str) -> float | str:
    length = _length(text)
    if length == _FOR_EVER:  # to fail2ban no window at all; to f2b one without an end
        raise ValueError("f2b takes more than 0")
    return length


def _duration(text: str) -> float | str:
    """Compute a duration; its words are kept where f2b reads them as fail2ban does."""
    words = " ".join(text.split())  # a value may go on in the next line
    try:
        length_s = seconds(text)
    except ValueError as error:
        raise ValueError(f"{words!r} is no duration: {error}") from None
    if length_s < 0 and length_s != _FOR_EVER:
        raise ValueError("f2b takes more than 0, or -1")
    if _reads_as(words, length_s) and not words.isdigit():
        return words
    length_s = min(round(length_s, 3), FOREVER_MS // SECOND_MS)
    return int(length_s) if float(length_s).is_integer() else length_s


def _finite_duration(text: str) -> float | str:
    length = _duration(text)
    if length == _FOR_EVER:
        raise ValueError("f2b takes 0 or more")
    return length


def _reads_as(words: str, length_s: float) -> bool:
    try:
        return length_s > 0 and parse_duration_ms(words) == round(length_s * SECOND_MS)
    except ValueError:
        return False


def multiple(text: str) -> float:
    """Compute a number above 0."""
    try:
        number = compute(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError("f2b takes numbers above 0")
    return int(number) if float(number).is_integer() else number


def _multiples(text: str) -> tuple[float, ...]:
    return tuple(multiple(each) for each in text.split())


def _entries(text: str) -> tuple[str, ...]:
    entries = [entry for entry in re.split(r"[\s,]+", text) if entry]
    # To fail2ban # begins no comment here: an address after it is ignored, too, and a word is a host name.
    comment = next((place for place, entry in enumerate(entries) if entry.startswith("#")), len(entries))
    return tuple(entry for place, entry in enumerate(entries) if place < comment or re.search("[.:]", entry))


def is_network(entry: str) -> bool:
    """Tell whether an entry of ignoreip means something to f2b: an address, a CIDR or a file of them."""
    if entry.startswith(FILE_PREFIX):
        return True
    try:
        Networks([entry])
    except ValueError:
        return False
    return True


def names_somebody(entry: str) -> bool:
    """Tell whether an entry of ignoreip is a host name, which f2b cannot take over and somebody may need."""
    return not is_network(entry) and entry.lower() != "localhost"  # own_ranges has its addresses


COUNTERPARTS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "maxretry": ("maxretry", _maxretry),
    "findtime": ("findtime", _finite_length),
    "bantime": ("bantime", _length),
    "bantime.increment": ("bantime.increment", flag),
    "bantime.factor": ("bantime.factor", multiple),
    "bantime.multipliers": ("bantime.multipliers", _multiples),
    "bantime.maxtime": ("bantime.maxtime", _length),
    "bantime.rndtime": ("bantime.rndtime", _finite_duration),
    "bantime.overalljails": ("bantime.overalljails", flag),
    "dbpurgeage": ("dbpurgeage", _duration),
    "ignoreip": ("ignoreip", _entries),
    "ignoreself": ("own_ranges", flag),
}
"""By fail2ban's name: f2b's name, and how the text is read."""


NEUTRAL: dict[str, Value] = {
    "mode": "enforce",
    "bantime.increment": False,
    "bantime.factor": 1,
    "bantime.multipliers": (),
    "bantime.rndtime": 0,
    "bantime.overalljails": False,
}
"""What a jail says to take back a default, by f2b's name."""


def is_recidive(jail: str, filter_text: str) -> bool:
    """Tell whether a jail counts the bans of the others: its filter, or its name if it names none, is recidive."""
    return (filter_text.partition("[")[0].strip() or jail) == RECIDIVE


def advice_on(section: str, option: str, variables: set[str], *, recidive: bool = False) -> str | None:
    """Say what to do about an option; None if f2b takes it over, or if it is only a variable of others."""
    if section == "INCLUDES":
        return _INCLUDES
    if option in _BECAME:
        return _BECAME[option]
    if option in COUNTERPARTS or option == "enabled" or (recidive and option in _OF_RECIDIVE):
        return None
    if section in DAEMON_SECTIONS:
        return SERVER
    if option.startswith(_ACTION_VARIABLES):
        return NO_COMMAND
    return ADVICE.get(option, None if option in variables else _UNKNOWN)
