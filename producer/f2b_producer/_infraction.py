"""What one report says, checked in the caller's thread in about half a microsecond."""

from __future__ import annotations

import sys

# Not `socket`, which loads `enum`, `selectors` and others for classes that nobody needs here: 4 ms of every start.
from _socket import AF_INET, AF_INET6, inet_pton
from time import time
from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, TypeAlias

NOTE_MAX_CHARACTERS = 200
WEIGHT_MAX = 1_000
IDENTITY_MAX_CHARACTERS = 64
_ONCE: Final = 1
AT_MAX_S = 253_402_300_800  # the year 10000: what is later was meant as milliseconds

# A plain tuple is built five times faster than a NamedTuple:
# (ip, jail, at in epoch seconds, note, weight, reported at in epoch seconds, what names it or None).
Infraction: TypeAlias = "tuple[str, str, float, str | None, int, float, str | None]"

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ip-type": "ip is neither text nor an IPv4Address or IPv6Address",
        "ip-empty": "ip is empty",
        "ip-not-an-address": "ip is not one IPv4 or IPv6 address (no host name, range or zone)",
        "jail": "jail is not 1-64 of A-Z a-z 0-9 . _ -",
        "at-type": "at is neither a datetime nor epoch seconds",
        "at-naive": "at has no time zone",
        "at-range": "at is not between the years 1970 and 10000: it is epoch seconds, so divide milliseconds"
        " by 1,000, microseconds by 1,000,000 and nanoseconds by 1,000,000,000",
        "note-type": "note is not text",
        "weight": "weight is not a whole number from 1 to 1000",
        "identity": "identity is not 1-64 printable ASCII characters",
        "unreadable": "an argument raised an error when it was read",
        "closed": "the producer was closed before the report",
        "sending": "a log handler reported what was logged while reports were sent: it would bring the next one",
        "no-client": "nobody knows whose request it is: it did not come through your proxies (a health check does"
        " not), or trusted_hops or trusted_proxies is wrong",
        "decide": "the decide function of a middleware raised an error",
    }
)
"""Why a report can be refused: the keys of `Stats.refused` and what they mean."""

JAIL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
JAIL_MAX_CHARACTERS = 64
_JAILS_REMEMBERED = 1_024  # a jail made from user input must not grow the process
_known_jails: set[str] = set()


class RefusedError(ValueError):
    """A report that says nothing that could be judged.

    Attributes:
        reason: A key of `REASONS`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


def read(  # noqa: PLR0913, PLR0917 - the fields of an infraction
    ip: object, jail: object, at: object, note: object, weight: object = 1, identity: object = None
) -> Infraction:
    """Return the infraction, its time taken now if *at* is None.

    Raises:
        RefusedError: If an argument cannot be sent. Hostile arguments may raise anything else.
    """
    ip_text = ip if type(ip) is str else _address_text(ip)
    try:
        inet_pton(AF_INET6 if ":" in ip_text else AF_INET, ip_text)
    except (OSError, ValueError):
        ip_text = _plain(ip_text)
    jail_text = jail if type(jail) is str and jail in _known_jails else _jail_text(jail)
    now_s = time()
    at_s = now_s if at is None else _epoch_s(at)
    # Identity is the cheapest question, and CPython has only one 1; elsewhere the answer is the same, and slower.
    weight_checked = _ONCE if weight is _ONCE else _weight(weight)
    note_text = None if note is None else _note_text(note)
    named = None if identity is None else _identity_text(identity)
    return (ip_text, jail_text, at_s, note_text, weight_checked, now_s, named)


def _plain(text: str) -> str:
    from f2b_producer._address import plain  # noqa: PLC0415 - most applications report plain addresses only

    address = plain(text)
    if address is None:
        raise RefusedError("ip-not-an-address" if text else "ip-empty")
    return address


def _address_text(ip: object) -> str:
    if isinstance(ip, str):
        return str.__str__(ip)  # not str(ip): an enum member would give its name
    ipaddress = sys.modules.get("ipaddress")  # who has such an object has imported it
    if ipaddress is None or not isinstance(ip, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        raise RefusedError("ip-type")
    return str(ip)


def _jail_text(jail: object) -> str:
    if not isinstance(jail, str):
        raise RefusedError("jail")
    text = str.__str__(jail)
    if not 1 <= len(text) <= JAIL_MAX_CHARACTERS or text.strip(JAIL_CHARACTERS):  # strips all, or finds another
        raise RefusedError("jail")
    if len(_known_jails) < _JAILS_REMEMBERED:
        _known_jails.add(text)
    return text


def _epoch_s(at: object) -> float:
    datetime = sys.modules.get("datetime")  # as with addresses
    if datetime is not None and isinstance(at, datetime.datetime):
        if at.utcoffset() is None:
            raise RefusedError("at-naive")
        at = at.timestamp()
    if not isinstance(at, (int, float)) or isinstance(at, bool):
        raise RefusedError("at-type")
    if not 0 <= at < AT_MAX_S:  # false for nan and infinity too
        raise RefusedError("at-range")
    return float(at)


def _weight(weight: object) -> int:
    if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= WEIGHT_MAX:
        raise RefusedError("weight")
    return int.__int__(weight)  # an enum member, say


def _identity_text(identity: object) -> str:
    if not isinstance(identity, str):
        raise RefusedError("identity")
    text = str.__str__(identity)
    if not 1 <= len(text) <= IDENTITY_MAX_CHARACTERS or not text.isascii() or not text.isprintable():
        raise RefusedError("identity")
    return text


def _note_text(note: object) -> str | None:
    if not isinstance(note, str):
        raise RefusedError("note-type")
    text = str.__str__(note)[:NOTE_MAX_CHARACTERS]
    if not text.isascii():
        # A lone surrogate is no UTF-8, and strict decoders would refuse the whole pack for it.
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text or None
