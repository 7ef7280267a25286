"""How offenders and bans are written as DynamoDB items, and read again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST
from f2b_worker.domain.judge.soundness import NUMBER_MAX, are_sound, is_whole, wrong_in_ban
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.ports import StandingBan

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from f2b_worker.errors import Unreadable

Item = dict[str, Any]

ADDRESS_PREFIX = "ip#"
STATE_PREFIX = "s#"
HISTORY_PREFIX = "h#"


def unreadable(kind: str, item: Item, attribute: str) -> Unreadable:
    """Make the error that names an item."""
    return unreadable_item(kind, name_of(item), attribute)


def name_of(item: Item) -> str:
    """Name an item by its primary key."""
    return f"{item['pk']['S']} {item['sk']['S']}"


def first_wrong(item: Item, readers: Mapping[str, Callable[[Any], object]], needed: Container[str]) -> str | None:
    """Find the first attribute that its reader does not take; of what is not there, only what is *needed*."""
    for name, read in readers.items():
        try:
            read(item[name])
        except MISSHAPEN:
            if name in item or name in needed:
                return name
    return None


def hit_text(hit: Hit) -> str:
    """Write a hit as one element of a string set: `<epoch milliseconds>:<id>`, or `…*<weight>:<id>`."""
    return f"{hit.at_ms}:{hit.id}" if hit.weight == 1 else f"{hit.at_ms}*{hit.weight}:{hit.id}"


def as_hit(text: str) -> Hit:
    """Read one element of a string set."""
    head, _, hit_id = text.partition(":")
    at_ms, _, weight = head.partition("*")
    return Hit(int(at_ms), hit_id, int(weight or 1))


def hits_value(hits: Iterable[Hit]) -> Item:
    """Write hits as a string set, which is never empty."""
    return {"SS": [hit_text(hit) for hit in hits]}


def number(value: int) -> dict[str, str]:
    """Write a number."""
    return {"N": str(value)}


def ttl(at_ms: int) -> dict[str, str]:
    """Write until when an item is kept: DynamoDB's garbage collection counts in seconds."""
    return number(at_ms // 1000)


def address_pk(key: str) -> str:
    """Name the partition of one address: all that is remembered of it, in whatever jail."""
    return f"{ADDRESS_PREFIX}{key}"


def state_key(who: OffenderId) -> Item:
    """Make the primary key of one offender's state."""
    return {"pk": {"S": address_pk(who.key)}, "sk": {"S": f"{STATE_PREFIX}{who.jail}"}}


def who_of(item: Item) -> OffenderId | None:
    """Read whose state an item is from its primary key, which nobody can leave out; None if that does not tell."""
    kind, _, key = item["pk"]["S"].partition("#")
    prefix, _, jail = item["sk"]["S"].partition("#")
    return OffenderId(jail, key) if (kind, prefix) == ("ip", "s") and key and jail else None


def as_offender(item: Item) -> Offender:
    """Read an offender's state; an item that is not there is an offender without a past.

    Raises:
        Unreadable: If something in it is not what a worker writes.
    """
    try:
        hits = as_hits(item["hits"]) if "hits" in item else frozenset()
        ban = as_ban(item["ban"]["M"]) if "ban" in item else None
        revision = as_count(item["rev"]) if "rev" in item else 0
        lifted_ms = as_count(item["lifted_ms"]) if "lifted_ms" in item else 0
    except MISSHAPEN as error:
        raise unreadable("offender", item, first_wrong(item, _STATE, ()) or _SOMETHING) from error
    if revision and ban is None and not lifted_ms:
        raise unreadable("offender", item, "ban")
    return Offender(hits, ban, revision, lifted_ms)


def as_hits(value: Item) -> frozenset[Hit]:
    """Read a string set of hits."""
    hits = frozenset([as_hit(text) for text in value["SS"]])
    if not are_sound(hits):
        raise ValueError("hits")
    return hits


def as_count(value: Item) -> int:
    """Read a number that only counts."""
    number = int(value["N"])
    if not is_whole(number, 0, NUMBER_MAX):
        raise ValueError("number")
    return number


def version_of(item: Item) -> int:
    """Read how often an offender's item was changed; 0 for one that is not there.

    Raises:
        Unreadable: If it is no such number.
    """
    try:
        return as_count(item["v"]) if "v" in item else 0
    except MISSHAPEN as error:
        raise unreadable("offender", item, "v") from error


def history_key(who: OffenderId, ban: Ban) -> Item:
    """Make the primary key of an earlier ban of an offender; keys of one jail sort by start."""
    return {"pk": {"S": address_pk(who.key)}, "sk": {"S": f"{HISTORY_PREFIX}{who.jail}#{ban.start_ms:015d}"}}


def evidence_item(ban: Ban) -> Item:
    """Write the infractions that a ban is backed by."""
    return {"L": [{"S": hit_text(hit)} for hit in ban.evidence]}


def ban_item(ban: Ban) -> Item:
    """Write a ban's attributes, without its evidence."""
    numbers = {
        "start_ms": ban.start_ms,
        "until_ms": ban.until_ms,
        "count": ban.count,
        "length_ms": ban.length_ms,
        "extended": ban.extended,
    }
    item: Item = {name: {"N": str(number)} for name, number in numbers.items()}
    if ban.observed:
        item["observed"] = {"BOOL": True}
    if ban.blocklists != (DEFAULT_BLOCKLIST,):
        item["blocklists"] = {"L": [{"S": name} for name in ban.blocklists]}
    if ban.origin:
        item["origin"] = {"S": ban.origin}
    return item


def as_ban(item: Item) -> Ban:
    """Read a ban's attributes.

    Raises:
        ValueError: Or another of `MISSHAPEN`, if something in them is not what a worker writes.
    """
    ban = Ban(
        start_ms=int(item["start_ms"]["N"]),
        until_ms=int(item["until_ms"]["N"]),
        count=int(item["count"]["N"]),
        length_ms=int(item["length_ms"]["N"]),
        extended=int(item["extended"]["N"]),
        evidence=_as_evidence(item["evidence"]) if "evidence" in item else (),
        observed=item["observed"]["BOOL"] if "observed" in item else False,
        blocklists=_as_names(item["blocklists"]) if "blocklists" in item else (DEFAULT_BLOCKLIST,),
        origin=item["origin"]["S"] if "origin" in item else "",
    )
    if wrong_in_ban(ban):
        raise ValueError(wrong_in_ban(ban))
    return ban


def _as_evidence(value: Item) -> tuple[Hit, ...]:
    return tuple(as_hit(element["S"]) for element in value["L"])


def _as_names(value: Item) -> tuple[str, ...]:
    return tuple(name["S"] for name in value["L"])


def wrong_in(item: Item) -> str:
    """Name what in a ban's item cannot be read; for what is known to have something."""
    wrong = first_wrong(item, _BAN, _NEEDED)
    if wrong:
        return wrong
    try:
        as_ban(item)
    except ValueError as error:  # each attribute can be read, and one is none that a ban can have
        return str(error)
    return _SOMETHING


def as_past_ban(item: Item) -> Ban:
    """Read one ban of an offender's history.

    Raises:
        Unreadable: If something in it is not what a worker writes.
    """
    try:
        return as_ban(item)
    except MISSHAPEN as error:
        raise unreadable("history", item, wrong_in(item)) from error


def as_standing(item: Item) -> StandingBan | None:
    """Read the last ban of a state; None if there has been none.

    Raises:
        Unreadable: If something in it is not what a worker writes.
    """
    who = who_of(item)
    if who is None:
        raise unreadable("offender", item, "sk")
    offender = as_offender(item)
    return StandingBan(who, offender.ban, offender.lifted_ms) if offender.ban else None


def as_last_ban(item: Item) -> Ban | None:
    """Read the last ban of a state with its evidence; None if there has been none.

    Raises:
        Unreadable: If something in it is not what a worker writes.
    """
    ban = as_offender(item).ban
    try:
        return replace(ban, evidence=_as_evidence(item["evidence"])) if ban and "evidence" in item else ban
    except MISSHAPEN as error:
        raise unreadable("offender", item, "evidence") from error


_SOMETHING = "an attribute"
_NEEDED = {"start_ms", "until_ms", "count", "length_ms", "extended"}
_BAN: Mapping[str, Callable[[Any], object]] = {
    **dict.fromkeys(("start_ms", "until_ms", "count", "length_ms", "extended"), lambda value: int(value["N"])),
    "observed": lambda value: value["BOOL"],
    "blocklists": _as_names,
    "origin": lambda value: value["S"],
    "evidence": _as_evidence,
}
_STATE: Mapping[str, Callable[[Any], object]] = {
    "hits": as_hits,
    "ban": lambda value: as_ban(value["M"]),
    "rev": as_count,
    "lifted_ms": as_count,
}
