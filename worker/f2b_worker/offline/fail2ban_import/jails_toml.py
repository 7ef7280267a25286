"""Writes the jails file of an import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from f2b_worker.offline.fail2ban_import.ini import DEFAULT
from f2b_worker.offline.fail2ban_import.options import Value, Wrong, is_network

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from f2b_worker.offline.fail2ban_import.ini import Source

Settings = dict[str, Value | Wrong]

_LEFT_OUT = (
    "# Left out, because of what stands above. [defaults] would judge a jail that is not in this file,",
    "# so it stands here and only observes: it bans nobody.",
)
_OBSERVED = "# So it only observes: it bans nobody. Mend it, then take out the line with mode."


def lines(
    sources: Sequence[Source],
    tables: Mapping[str, Settings],
    reasons: Mapping[str, Sequence[str]],
    left_out: Collection[str],
) -> Iterator[str]:
    """Return the lines of the file.

    Args:
        sources: What it was made from.
        tables: What each section has of its own.
        reasons: Why a section bans nobody, where it does not.
        left_out: The jails whose values all become comments.
    """
    yield "# Made by f2b import-fail2ban from:"
    for source in sources:
        yield f"#   {_text(source.name)}"
    yield "# What f2b does otherwise than fail2ban: docs/fail2ban.md."
    for name, settings in tables.items():
        yield ""
        yield "[defaults]" if name == DEFAULT else f"[jails.{_key(name)}]"
        yield from (f"# {_one_line(reason)}" for reason in reasons.get(name, ()))
        if name in left_out:
            yield from _LEFT_OUT
            yield 'mode = "observe"'
            yield from (f"# {line}" for line in _table(settings) if not line.startswith("mode = "))
        else:
            yield from (_OBSERVED,) if name in reasons else ()
            yield from _table(settings)
    yield ""


def _one_line(text: str) -> str:
    # A comment of TOML has no control characters, and a name or a value may have any.
    return "".join(char if char.isprintable() else " " for char in text)


def _table(settings: Settings) -> Iterator[str]:
    for key, value in settings.items():
        if not isinstance(value, Wrong):
            yield f"{_key(key)} = {_literal(key, value)}"


def _key(name: str) -> str:
    return _text(name) if "." in name else name


def _literal(key: str, value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        shown = [_text(each) if isinstance(each, str) else repr(each) for each in value if _is_kept(key, each)]
        return f"[{', '.join(shown)}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _is_kept(key: str, value: float | str) -> bool:
    return key != "ignoreip" or is_network(str(value))


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for DEL, and for characters beyond U+FFFF as two escapes.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
