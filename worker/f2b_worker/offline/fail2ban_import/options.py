"""fail2ban's jail options: how f2b reads those with a counterpart, and what to do about the others."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from f2b_worker.config.fail2ban_options import ADVICE, NO_COMMAND
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Callable

Value = bool | int | float | str | tuple[str, ...] | tuple[float, ...]

FILE_PREFIX = "file:"
RECIDIVE = "recidive"  # f2b's key, and the name of fail2ban's filter and jail
DAEMON_SECTIONS = ("Definition", "Thread")  # of fail2ban.conf
_TRUE, _FALSE = {"1", "yes", "true", "on", "ok"}, {"0", "no", "false", "off"}
_MAXRETRY_MAX = 1000

_SERVER = "belongs to fail2ban's server; f2b-worker's own settings are in docs/settings.md"
_ACTION_VARIABLES = ("action_", "abuseipdb_", "blocklist_de_", "cloudflare_")
_OF_RECIDIVE = ("filter", "logpath", "journalmatch", "backend", "mode")  # how it reads fail2ban's log
_UNKNOWN = "no jail option that f2b knows: left out"
_OWN_RANGES = (
    "became own_ranges: private, loopback and similar addresses are never banned. A worker does not run on the "
    "attacked hosts: add their public addresses to ignoreip"
)
_INCLUDES = "included files are not read: if they set more than paths, name them, too, in fail2ban's order"


def flag(text: str) -> bool:
    """Read a boolean."""
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("neither true nor false")
    return text.lower() in _TRUE


def _maxretry(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= _MAXRETRY_MAX:
        raise ValueError(f"f2b takes 1 to {_MAXRETRY_MAX}")
    return int(text)


def _length(text: str) -> int | str:
    """Read a duration that is not zero; its words are kept, since they are f2b's too."""
    length = _duration(text)
    if parse_duration_ms(length) == 0:
        raise ValueError("f2b takes more than 0")
    return length


def _duration(text: str) -> int | str:
    words = " ".join(text.split())  # a value may go on in the next line
    parse_duration_ms(words)
    return int(words) if re.fullmatch("-?[0-9]{1,18}", words) else words


def _multiple(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError("f2b takes numbers above 0, and computes nothing")
    return int(number) if number.is_integer() else number


def _multiples(text: str) -> tuple[float, ...]:
    return tuple(_multiple(each) for each in text.split())


def _entries(text: str) -> tuple[str, ...]:
    return tuple(entry for entry in re.split(r"[\s,]+", text) if entry)


def is_network(entry: str) -> bool:
    """Tell whether an entry of ignoreip means something to f2b: an address, a CIDR or a file of them."""
    if entry.startswith(FILE_PREFIX):
        return True
    try:
        Networks([entry])
    except ValueError:
        return False
    return True


COUNTERPARTS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "maxretry": ("maxretry", _maxretry),
    "findtime": ("findtime", _length),
    "bantime": ("bantime", _length),
    "bantime.increment": ("bantime.increment", flag),
    "bantime.factor": ("bantime.factor", _multiple),
    "bantime.multipliers": ("bantime.multipliers", _multiples),
    "bantime.maxtime": ("bantime.maxtime", _length),
    "bantime.rndtime": ("bantime.rndtime", _duration),
    "bantime.overalljails": ("bantime.overalljails", flag),
    "dbpurgeage": ("dbpurgeage", _duration),
    "ignoreip": ("ignoreip", _entries),
    "ignoreself": ("own_ranges", flag),
}
"""By fail2ban's name: f2b's name, and how the text is read."""


def is_recidive(jail: str, filter_text: str) -> bool:
    """Tell whether a jail counts the bans of the others: its filter, or its name if it names none, is recidive."""
    return (filter_text.partition("[")[0].strip() or jail) == RECIDIVE


def advice_on(section: str, option: str, variables: set[str], *, recidive: bool = False) -> str | None:
    """Say what to do about an option; None if f2b takes it over, or if it is only a variable of others."""
    if section == "INCLUDES":
        return _INCLUDES
    if option == "ignoreself":
        return _OWN_RANGES
    if option in COUNTERPARTS or option == "enabled" or (recidive and option in _OF_RECIDIVE):
        return None
    if section in DAEMON_SECTIONS:
        return _SERVER
    if option.startswith(_ACTION_VARIABLES):
        return NO_COMMAND
    return ADVICE.get(option, None if option in variables else _UNKNOWN)
