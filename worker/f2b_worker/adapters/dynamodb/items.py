"""How offenders and bans are written as DynamoDB items, and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.domain.jails import DEFAULT_BLOCKLIST
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.ports import StandingBan

if TYPE_CHECKING:
    from collections.abc import Iterable

Item = dict[str, Any]

STATE = "state"
HISTORY_PREFIX = "ban#"


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


def offender_pk(who: OffenderId) -> str:
    """Name the partition of one offender; a jail's name has no `#`."""
    return f"offender#{who.jail}#{who.key}"


def state_key(who: OffenderId) -> Item:
    """Make the primary key of one offender's state."""
    return {"pk": {"S": offender_pk(who)}, "sk": {"S": STATE}}


def as_offender(item: Item) -> Offender:
    """Read an offender's state; an item that is not there is an offender without a past."""
    hits = frozenset(as_hit(text) for text in item.get("hits", {}).get("SS", []))
    ban = as_ban(item["last_ban"]["M"]) if "last_ban" in item else None
    return Offender(hits, ban, int(item.get("revision", {}).get("N", 0)))


def version_of(item: Item) -> int:
    """Read how often an offender's item was changed; 0 for one that an older worker wrote."""
    return int(item.get("v", {}).get("N", 0))


def history_key(who: OffenderId, ban: Ban) -> Item:
    """Make the primary key of one ban in the offender's history; keys sort by start."""
    return {"pk": {"S": offender_pk(who)}, "sk": {"S": f"{HISTORY_PREFIX}{ban.start_ms:015d}"}}


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
    return item


def as_ban(item: Item) -> Ban:
    """Read a ban's attributes."""
    return Ban(
        start_ms=int(item["start_ms"]["N"]),
        until_ms=int(item["until_ms"]["N"]),
        count=int(item["count"]["N"]),
        length_ms=int(item["length_ms"]["N"]),
        extended=int(item["extended"]["N"]),
        evidence=tuple(as_hit(element["S"]) for element in item.get("evidence", {}).get("L", [])),
        observed=item.get("observed", {}).get("BOOL", False),
        blocklists=tuple(name["S"] for name in item["blocklists"]["L"])
        if "blocklists" in item
        else (DEFAULT_BLOCKLIST,),
    )


def standing_key(partition: str, who: OffenderId) -> Item:
    """Make the primary key of an offender's last ban among those of all."""
    return {"pk": {"S": partition}, "sk": {"S": f"{who.key}#{who.jail}"}}


def standing_item(who: OffenderId, ban: Ban, *, partition: str, changed_ms: int) -> Item:
    """Write the last ban of an offender for those who follow all bans."""
    return standing_key(partition, who) | {
        "key": {"S": who.key},
        "jail": {"S": who.jail},
        "changed_ms": number(changed_ms),
        **ban_item(ban),
    }


def as_standing(item: Item) -> StandingBan:
    """Read the last ban of an offender."""
    return StandingBan(OffenderId(item["jail"]["S"], item["key"]["S"]), as_ban(item))
