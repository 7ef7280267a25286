"""How acts, the allowlist and the control are written as DynamoDB items, and read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from f2b_worker.adapters.dynamodb.items import (
    address_pk,
    as_ban,
    as_count,
    ban_item,
    first_wrong,
    name_of,
    number,
    ttl,
)
from f2b_worker.adapters.remedies import MISSHAPEN, unreadable_item
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.control import Pause
from f2b_worker.domain.acts.soundness import checked_entry, checked_pause
from f2b_worker.domain.jails import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.verdicts import Ban

ALLOW_PK = "allow"
CONTROL_PK = "control"
PAUSE_PREFIX = "pause#"
RELOAD_SK = "reload"
MARK_PREFIX = "a#"
LOOK_ALLOW = "allow"
LOOK_CONTROL = "control"
"""What a log entry calls the items that readers are to read again."""


def audit_key(act: Act) -> Item:
    """Make the primary key under which an act is remembered; keys of one month sort by time."""
    return {"pk": {"S": month_pk(act.at_ms)}, "sk": {"S": f"{act.at_ms:015d}#{act.id}"}}


def month_pk(at_ms: int) -> str:
    """Name the partition of a month, of UTC."""
    return f"audit#{_moment(at_ms):%Y-%m}"


def months(since_ms: int, until_ms: int) -> Iterator[str]:
    """Name the partitions of a time, the newest month first."""
    first = _moment(since_ms)
    month = _moment(until_ms)
    while (month.year, month.month) >= (first.year, first.month):
        yield f"audit#{month:%Y-%m}"
        month = month.replace(day=1) - timedelta(days=1)


def _moment(at_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


def audit_item(act: Act, kept_ms: int) -> Item:
    """Write an act as the audit has it."""
    short = act.shortened()
    what = {"what": {"L": [{"S": each} for each in short.what]}} if short.what else {}
    return audit_key(act) | _said(act) | what | {"count": number(short.count), "ttl": ttl(act.at_ms + kept_ms)}


def mark_key(act: Act, key: str, jail: str = "") -> Item:
    """Make the primary key of an act beside what it was done to."""
    return {"pk": {"S": address_pk(key)}, "sk": {"S": f"{MARK_PREFIX}{act.at_ms:015d}#{act.id}#{jail}"}}


def mark_item(act: Act, key: str, kept_ms: int, *, jail: str = "", ended: Ban | None = None) -> Item:
    """Write an act beside an address or network, and which running ban of it was ended."""
    item = mark_key(act, key, jail) | _said(act) | {"count": number(act.shortened().count)}
    if ended:
        item["ended"] = {"M": ban_item(ended)}
    return item | {"ttl": ttl(act.at_ms + kept_ms)}


def _said(act: Act) -> Item:
    texts = {"jail": act.jail, "reason": act.reason, "how": act.how}
    said = {name: {"S": text} for name, text in texts.items() if text}
    return {"by": {"S": act.by}, "verb": {"S": act.verb.value}, **said}


def ended_by(mark: Item) -> Ban | None:
    """Read which ban an act ended.

    Raises:
        Unreadable: If that cannot be read.
    """
    try:
        return as_ban(mark["ended"]["M"]) if "ended" in mark else None
    except MISSHAPEN as error:
        raise unreadable_item("act", name_of(mark), "ended") from error


def as_act(item: Item) -> Act:
    """Read an act, from the audit or beside an address.

    Raises:
        Unreadable: If something in it is not what is written.
    """
    try:
        return _as_act(item)
    except MISSHAPEN as error:
        raise unreadable_item("act", name_of(item), _wrong_in(item, _ACT)) from error


def _as_act(item: Item) -> Act:
    key = item["pk"]["S"].partition("#")[2]
    at_ms, act_id, *_ = item["sk"]["S"].removeprefix(MARK_PREFIX).split("#")
    is_mark = item["sk"]["S"].startswith(MARK_PREFIX)
    return Act(
        id=act_id,
        at_ms=int(at_ms),
        by=_text(item["by"]),
        verb=Verb(_text(item["verb"])),
        what=(key,) if is_mark else _texts(item.get("what", {"L": []})),
        jail=_text(item["jail"]) if "jail" in item else "",
        reason=_text(item["reason"]) if "reason" in item else "",
        count=as_count(item["count"]),
        how=_text(item["how"]) if "how" in item else "",
    )


def allow_key(network: str) -> Item:
    """Make the primary key of an entry of the allowlist."""
    return {"pk": {"S": ALLOW_PK}, "sk": {"S": network}}


def allow_item(entry: AllowEntry) -> Item:
    """Write an entry of the allowlist."""
    end = (
        {} if entry.until_ms is None else {"until_ms": number(entry.until_ms), "ttl": ttl(entry.until_ms + DAY_MS)}
    )
    comment = {"comment": {"S": entry.comment}} if entry.comment else {}
    return allow_key(entry.network) | {"at_ms": number(entry.at_ms), "by": {"S": entry.by}} | comment | end


def as_allow_entry(item: Item) -> AllowEntry:
    """Read an entry of the allowlist.

    Raises:
        Unreadable: If something in it is not what is written.
    """
    try:
        entry = AllowEntry(
            network=item["sk"]["S"],
            until_ms=as_count(item["until_ms"]) if "until_ms" in item else None,
            comment=_text(item["comment"]) if "comment" in item else "",
            by=_text(item["by"]),
            at_ms=as_count(item["at_ms"]),
        )
        return checked_entry(entry)
    except MISSHAPEN as error:
        raise unreadable_item("allow", name_of(item), _wrong_in(item, _ALLOW)) from error


def pause_key(blocklist: str) -> Item:
    """Make the primary key of a pause."""
    return {"pk": {"S": CONTROL_PK}, "sk": {"S": f"{PAUSE_PREFIX}{blocklist}"}}


RELOAD_KEY: Item = {"pk": {"S": CONTROL_PK}, "sk": {"S": RELOAD_SK}}


def pause_item(blocklist: str, pause: Pause) -> Item:
    """Write a pause."""
    end = (
        {} if pause.until_ms is None else {"until_ms": number(pause.until_ms), "ttl": ttl(pause.until_ms + DAY_MS)}
    )
    reason = {"reason": {"S": pause.reason}} if pause.reason else {}
    return pause_key(blocklist) | {"from_ms": number(pause.from_ms), "by": {"S": pause.by}} | reason | end


def as_pause(item: Item) -> Pause:
    """Read a pause.

    Raises:
        Unreadable: If something in it is not what is written.
    """
    try:
        pause = Pause(
            from_ms=as_count(item["from_ms"]),
            until_ms=as_count(item["until_ms"]) if "until_ms" in item else None,
            by=_text(item["by"]),
            reason=_text(item["reason"]) if "reason" in item else "",
        )
        return checked_pause(pause)
    except MISSHAPEN as error:
        raise unreadable_item("control", name_of(item), _wrong_in(item, _PAUSE)) from error


def as_reload(item: Item) -> tuple[int, int | None]:
    """Read how often somebody asked for a reload, and when that was last.

    Raises:
        Unreadable: If that cannot be read.
    """
    try:
        return as_count(item["generation"]), as_count(item["at_ms"]) if "at_ms" in item else None
    except MISSHAPEN as error:
        raise unreadable_item("control", name_of(item), _wrong_in(item, _RELOAD)) from error


def _text(value: Item) -> str:
    text = value["S"]
    if not isinstance(text, str):
        raise ValueError("text")  # noqa: TRY004 - what reads it tells one kind of wrong values only
    return text


def _texts(value: Item) -> tuple[str, ...]:
    return tuple(_text(each) for each in value["L"])


def _wrong_in(item: Item, readers: Mapping[str, Callable[[Item], object]]) -> str:
    return first_wrong(item, readers, _NEEDED) or "sk"  # if all can be read, it is the key


_NEEDED = {"by", "verb", "count", "at_ms", "from_ms", "generation"}
_ACT: Mapping[str, Callable[[Item], object]] = {
    "by": _text,
    "verb": lambda value: Verb(value["S"]),
    "what": _texts,
    "jail": _text,
    "reason": _text,
    "how": _text,
    "count": as_count,
    "ended": lambda value: as_ban(value["M"]),
}
_ALLOW: Mapping[str, Callable[[Item], object]] = {
    "by": _text,
    "at_ms": as_count,
    "until_ms": as_count,
    "comment": _text,
}
_RELOAD: Mapping[str, Callable[[Item], object]] = {
    "generation": as_count,
    "at_ms": as_count,
}
_PAUSE: Mapping[str, Callable[[Item], object]] = {
    "by": _text,
    "from_ms": as_count,
    "until_ms": as_count,
    "reason": _text,
}
