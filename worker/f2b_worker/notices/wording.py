"""What a notice says: for people by the usual words or by a template, and for programs as JSON."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from f2b_worker.config.notices import SUBJECT_MAX, TAGS, TEXT_MAX
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.infractions import note_of
from f2b_worker.domain.notices.kinds import BAN, SEVERITY_OF, TEST, UNBAN, kind_of, where_of
from f2b_worker.ports.notices import Notice
from f2b_worker.query.wording import JUDGE, duration, origin_of, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.config.notice_templates import NoticeTemplate
    from f2b_worker.config.notices import TargetSettings
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.domain.notices.group import Group
    from f2b_worker.domain.notices.news import News

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MATCHES = 5
"""So many notes of a ban's infractions are told, the last ones."""

FIRST = 10
"""So many bans stand in a notice of which only the number is told."""

_FOREVER_S = -1
"""As fail2ban has it."""

_LOOKALIKES = str.maketrans("<>", "\u2039\u203a")
_LINK = re.compile(r"\](?=\()")
_CALL = re.compile(r"@(?=(everyone|here|channel|all)\b)", re.IGNORECASE)


class Words(NamedTuple):
    """What is said of one event in few words."""

    subject: str
    text: str


class Wording:
    """Makes the notices of one target.

    Args:
        settings: They have its templates.
        fleet: What the fleet is called.
    """

    def __init__(self, settings: TargetSettings, fleet: str) -> None:
        self._name = settings.name
        self._fleet = fleet
        self._subject = _template(settings.subject, SUBJECT_MAX)
        self._text = _template(settings.text, TEXT_MAX)

    def of_group(self, kind: str, group: Group, bans: Sequence[Mapping[str, Any]], now_ms: int) -> Notice:
        """Make one of bans that began or ended."""
        listed = bans if group.is_listed else bans[:FIRST]
        values = {
            "count": group.count,
            "bans": list(listed),
            "top_networks": [{"name": name, "count": number} for name, number in group.top_networks()],
            "top_jails": [{"name": name, "count": number} for name, number in group.top_jails()],
        }
        what = _of_one(kind, bans[0]) if group.count == 1 else _of_many(kind, group)
        return self._made(kind, Words(what, "\n".join(_lines(kind, values, what))), values, now_ms)

    def of_condition(self, name: str, what: str | None, now_ms: int) -> Notice:
        """Make one of a condition that began, or, where there is nothing to say of it, ended."""
        kind, where = kind_of(name), where_of(name)
        over = f"{kind.replace('_', ' ')} is over"
        words = what or (f"{where}: {over}" if where else over)
        return self._made(
            kind, Words(words, words), {"what": words, "ended": what is None, "where": where}, now_ms
        )

    def of_test(self, who: str, now_ms: int) -> Notice:
        """Make one that says that it is a test."""
        words = Words("a test of notices", f"This is a test of notices: {who} sent it. Nothing happened.")
        return self._made(TEST, words, {}, now_ms)

    def _made(self, kind: str, words: Words, values: Mapping[str, Any], now_ms: int) -> Notice:
        bans = values.get("bans", [])
        detail = {
            "id": f"msg_{secrets.token_hex(12)}",
            "kind": kind,
            "severity": SEVERITY_OF[kind],
            "fleet": self._fleet,
            "at": rfc3339(now_ms),
            "what": words.subject,
            "ended": False,
            "where": "",
            "count": 0,
            "bans": [],
            "top_networks": [],
            "top_jails": [],
            **values,
        }
        first = bans[0] if bans else dict.fromkeys(TAGS)
        known = {name: _shown(name, value) for name, value in {**first, **detail}.items()}
        known["bans"] = [{name: _shown(name, value) for name, value in each.items()} for each in bans]
        known.setdefault("time", rfc3339(now_ms))
        subject = self._filled("subject", self._subject, known) or f"{self._fleet}: {words.subject}"
        text = self._filled("text", self._text, known) or f"{words.text}\n\n{_signed(detail)}"
        head = detail["id"], kind, SEVERITY_OF[kind]
        return Notice(*head, " ".join(subject.split())[:SUBJECT_MAX], text, detail, now_ms)

    def _filled(self, name: str, template: NoticeTemplate | None, known: Mapping[str, Any]) -> str:
        """Fill a template in; where that fails the usual words are said, for that something happened counts."""
        if template is None or known["kind"] == TEST:
            return ""
        try:
            return template.render(known).strip()
        except ValueError as error:
            log.warning("notice_template_failed", target=self._name, template=name, reason=str(error))
            return ""


def ban_values(news: News, evidence: Sequence[Hit] | None) -> dict[str, Any]:
    """Say what is known of one ban, under fail2ban's names.

    Args:
        news: The ban.
        evidence: The infractions that it was decided from; None: nobody looked.
    """
    ban = news.ban
    return {
        "ip": _address(news.who.key),
        "jail": news.who.jail,
        "failures": sum(each.weight for each in evidence) if evidence else None,
        "bantime": _seconds(ban),
        "bancount": ban.count,
        "matches": "\n".join(filter(None, (note_of(each.id) for each in evidence[-MATCHES:]))) if evidence else "",
        "time": rfc3339(news.at_ms),
        "until": "" if ban.until_ms >= FOREVER_MS else rfc3339(ban.until_ms),
        "by": origin_of(ban),
        **({"lifted": news.lifted} if news.kind == UNBAN else {}),
    }


def _template(source: str | None, most: int) -> NoticeTemplate | None:
    if not source:
        return None
    from f2b_worker.config.notice_templates import NoticeTemplate  # noqa: PLC0415 - most targets need no Jinja2

    return NoticeTemplate(source, most)


def _shown(name: str, value: object) -> object:
    if name == "matches" and isinstance(value, str):
        return in_words(value)
    return "" if value is None else value


def in_words(note: str) -> str:
    """Take from what attackers wrote whatever a chat would obey: links under another name, calls to everybody.

    Only texts for people are changed; programs are given the note as it is.
    """
    return _CALL.sub("@ ", _LINK.sub("] ", note.translate(_LOOKALIKES)))


def _address(key: str) -> str:
    """Write a key as people do: a single address without its length."""
    return key.removesuffix("/32") if "." in key else key.removesuffix("/128")


def _seconds(ban: Ban) -> int:
    return _FOREVER_S if ban.until_ms >= FOREVER_MS else max(0, -((ban.start_ms - ban.until_ms) // 1000))


def _for(bantime: int) -> str:
    return "for ever" if bantime == _FOREVER_S else f"for {duration(bantime * 1000)}"


def _of_one(kind: str, ban: Mapping[str, Any]) -> str:
    if kind == BAN:
        return f"{ban['ip']} banned in {ban['jail']} {_for(ban['bantime'])}"
    return f"ban of {ban['ip']} in {ban['jail']} {'lifted' if ban['lifted'] else 'ended'}"


def _of_many(kind: str, group: Group) -> str:
    jails = ", ".join(f"{name} {number:,}" for name, number in group.top_jails())
    return f"{group.count:,} {'bans' if kind == BAN else 'bans ended'}: {jails}"


def _lines(kind: str, values: Mapping[str, Any], what: str) -> Iterator[str]:
    count, bans = values["count"], values["bans"]
    if count > 1:
        yield what
    yield from (_line(kind, each) for each in bans)
    if count > len(bans):
        yield f"… and {count - len(bans):,} more: f2b list shows the bans that run"
    if count > 1 and values["top_networks"]:
        most = ", ".join(f"{each['name']} {each['count']:,}" for each in values["top_networks"])
        yield f"most from: {most}"


def _line(kind: str, ban: Mapping[str, Any]) -> str:
    if kind == UNBAN:
        return f"{_of_one(kind, ban)} at {ban['time']}"
    said = [f"ban {ban['bancount']}" if ban["bancount"] else "", f"by {ban['by']}" if ban["by"] != JUDGE else ""]
    said += [f"{ban['failures']} failures" if ban["failures"] else "", f"since {ban['time']}"]
    matches = f": {in_words(ban['matches'].splitlines()[-1])}" if ban["matches"] else ""
    return f"{_of_one(kind, ban)} ({', '.join(filter(None, said))}){matches}"


def _signed(detail: Mapping[str, Any]) -> str:
    return f"f2b of {detail['fleet']}, {detail['at']}, {detail['severity']}"
