"""What each command's JSON document looks like, as a JSON Schema: `python -m f2b_worker.cli.schemas` writes them.

No command imports this: it is for docs/commands.schema.json, and for the tests that hold the commands to it.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.judge.enforcement import State
from f2b_worker.domain.judge.explanations import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema: TypeAlias = "dict[str, Any]"

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
YES_OR_NO: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
SECONDS: Schema = {"type": "number", "description": "In seconds."}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
MAYBE_WHOLE: Schema = {"type": ["integer", "null"]}
MAYBE_SECONDS: Schema = {"type": ["number", "null"], "description": "In seconds; null is for ever."}


def an_object(properties: Mapping[str, Schema]) -> Schema:
    """Describe an object that has all of these keys, and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def many(items: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": items}


def maybe(schema: Schema) -> Schema:
    """Describe what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def by_name(values: Schema) -> Schema:
    """Describe an object whose keys are names."""
    return {"type": "object", "additionalProperties": values}


def time(name: str, what: str, *, null: str = "") -> dict[str, Schema]:
    """Describe a time under its two keys."""
    kind: Any = ["number", "null"] if null else "number"
    text: Any = ["string", "null"] if null else "string"
    told = f"{what}{f'; null: {null}' if null else ''}"
    return {
        name: {"type": kind, "description": f"{told}. In seconds since 1970."},
        f"{name}_at": {"type": text, "format": "date-time", "description": f"{told}. As of RFC 3339."},
    }


_BAN = {
    "jail": TEXT,
    "ip": {"type": "string", "description": "An address, or a network that is judged or banned as one."},
    **time("start", "The start of the ban"),
    **time("until", "Its last moment", null="for ever"),
    "count": {"type": "integer", "description": "Which ban of this address it is."},
    "length": MAYBE_SECONDS,
    "extended": {"type": "integer", "description": "By how many steps infractions moved its end."},
    "observed": {"type": "boolean", "description": "Whether it is only judged, and enforced nowhere."},
    "blocklists": TEXTS,
    "by": {"enum": ["judge", "cli", "import", "adopted"]},
}


def _unknown(properties: Mapping[str, Schema]) -> dict[str, Schema]:
    return {
        name: {**schema, "type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema
        for name, schema in properties.items()
    }


BAN = an_object(_BAN)
_STATE: Schema = {"enum": [*map(str, State), None], "description": "How far it is enforced; null: nobody looked."}
LISTED = an_object(
    {**_unknown(_BAN), "by": {"enum": [*_BAN["by"]["enum"], None]}, "state": _STATE, "why": MAYBE_TEXT}
)
NOTES = an_object(
    {
        "region": TEXT,
        **time("held_back_from", "Bans that start then or later are held back", null="none are"),
        **time("released", "When somebody last released bans", null="never"),
        "foreign": by_name(TEXTS),
        "networks": by_name(TEXTS),
        "swept": by_name(SECONDS),
        "unreadable": TEXTS,
    }
)
ACT = an_object(
    {
        **time("time", "When"),
        "by": {"type": "string", "description": "An ARN, or user@host."},
        "verb": {"enum": list(map(str, Verb))},
        "what": {**TEXTS, "description": "Addresses, networks or blocklists, 100 at most."},
        "count": {"type": "integer", "description": "Of how many things it is about."},
        "jail": MAYBE_TEXT,
        "reason": TEXT,
        "id": TEXT,
    }
)
_HIT = an_object({**time("time", "When"), "id": TEXT, "reporter": maybe(TEXT), "weight": WHOLE})
_WINDOW = {"maxretry": WHOLE, "findtime": MAYBE_SECONDS}
_PAST = an_object({**_BAN, "evidence": many(_HIT)})
_EXPLAINED = an_object(
    {
        "jail": TEXT,
        "configured": {"type": "boolean", "description": "Whether the jails file has this jail."},
        "ip": TEXT,
        "country": {
            **MAYBE_TEXT,
            "description": "Where it is registered, as ISO 3166-1; null: nowhere, or the extra [geo] is missing.",
        },
        "status": {"enum": list(map(str, Status))},
        "because": TEXT,
        "state": _STATE,
        "unreadable": TEXTS,
        "ban": maybe(_PAST),
        "due": maybe(_PAST),
        "window": maybe(an_object(_WINDOW)),
        "windows": many(
            an_object(
                {
                    **_WINDOW,
                    "hits": many(_HIT),
                    "missing": WHOLE,
                    **time("oldest_drops", "When the oldest infraction drops out", null="never, or there is none"),
                }
            )
        ),
        "exemption": maybe(an_object({"rule": TEXT, "network": TEXT, "lifts": YES_OR_NO})),
        "history": many(_PAST),
        "acts": {**many(ACT), "description": "What people did to this very key, the newest first."},
        "ip_sets": maybe(many(an_object({"name": TEXT, "entry": TEXT, "blocklist": TEXT, "foreign": YES_OR_NO}))),
    }
)
_JAIL = an_object(
    {
        "jail": TEXT,
        "windows": many(an_object(_WINDOW)),
        "bantime": MAYBE_SECONDS,
        "increment": YES_OR_NO,
        "observed": YES_OR_NO,
        "blocklists": TEXTS,
        "ignored": TEXTS,
    }
)

_OUTCOME = an_object(
    {
        "ip": {"type": "string", "description": "An address or a network; as it was written, if it is neither."},
        "jail": MAYBE_TEXT,
        "outcome": TEXT,
        **time("until", "Its last moment", null="for ever, or it does not hold"),
        "why": MAYBE_TEXT,
    }
)
_ALLOWED = an_object(
    {
        "network": TEXT,
        "from": {"enum": ["ledger", "file", "built in"]},
        "jail": MAYBE_TEXT,
        **time("until", "Its last moment", null="for ever"),
        "comment": MAYBE_TEXT,
        "by": MAYBE_TEXT,
        **time("added", "When it was added", null="it is not of the ledger"),
    }
)


_LETTER = an_object(
    {"id": TEXT, **time("time", "When it came there"), "reason": TEXT, "detail": TEXT, "body": TEXT}
)


_REFUSED = many(an_object({"ip": TEXT, "why": TEXT}))


def _outcomes(done: str) -> Schema:
    return an_object({"outcomes": many(_OUTCOME), "act": MAYBE_TEXT, done: WHOLE})


_STATUS = an_object(
    {
        "ok": YES_OR_NO,
        "problems": TEXTS,
        "ledger": TEXT,
        "bans": an_object({"total": WHOLE, "jails": by_name(WHOLE)}),
        "workers": maybe(
            many(
                an_object(
                    {
                        "name": TEXT,
                        "alive": YES_OR_NO,
                        **time("seen", "Its last sign of life"),
                        "version": TEXT,
                        "remark": TEXT,
                        "generation": {
                            **MAYBE_WHOLE,
                            "description": "The reload that it followed last; null: it does not say.",
                        },
                        "judges": {**YES_OR_NO, "description": "Whether it takes infractions, or only enforces."},
                    }
                )
            )
        ),
        "enforcers": many(an_object({"region": TEXT, "owner": MAYBE_TEXT, "enforces": TEXT})),
        "queue": maybe(an_object({"waiting": WHOLE, "in_flight": WHOLE, "delayed": WHOLE, "dead_letters": WHOLE})),
        "sets": many(
            an_object(
                {
                    "name": TEXT,
                    "blocklist": TEXT,
                    "family": WHOLE,
                    "entries": WHOLE,
                    "capacity": WHOLE,
                    **time("seen", "When it was last read or written"),
                }
            )
        ),
        "pauses": many(
            an_object(
                {
                    "blocklist": TEXT,
                    **time("until", "Its last moment", null="until somebody resumes"),
                    "by": TEXT,
                    "reason": TEXT,
                }
            )
        ),
        "generation": {**WHOLE, "description": "How often somebody asked for a reload."},
        **time("reload_asked", "When somebody last did", null="nobody did"),
        "not_reloaded": {**TEXTS, "description": "The workers alive that have not done it since."},
    }
)

COMMANDS: dict[str, Schema] = {
    "status": _STATUS,
    "banned": an_object({"bans": many(an_object({"asked": TEXT, **_BAN})), "not_banned": TEXTS}),
    "audit": an_object({"acts": many(ACT)}),
    "ban": _outcomes("banned"),
    "unban": _outcomes("lifted"),
    "allow add": _outcomes("allowed"),
    "allow remove": _outcomes("removed"),
    "allow import": an_object(
        {
            "act": MAYBE_TEXT,
            "added": WHOLE,
            "there": {**WHOLE, "description": "They were on the list already, and last as long or longer."},
            "lifted": WHOLE,
            "failed": WHOLE,
            "refused": _REFUSED,
        }
    ),
    "allow list": an_object({"entries": many(_ALLOWED)}),
    "allow check": an_object({"entries": many(_ALLOWED)}),
    "import": an_object(
        {
            "act": MAYBE_TEXT,
            "banned": WHOLE,
            "lifted": WHOLE,
            "failed": WHOLE,
            "refused": _REFUSED,
        }
    ),
    "dlq list": an_object({"letters": many(_LETTER), "reasons": by_name(WHOLE)}),
    "dlq show": an_object({"letters": many(_LETTER)}),
    "dlq retry": an_object({"letters": many(_LETTER)}),
    "dlq drop": an_object({"letters": many(_LETTER)}),
    "stats": an_object({"groups": many(an_object({"name": TEXT, "bans": WHOLE})), "by": TEXT, "total": WHOLE}),
    "export": an_object(
        {"networks": many(an_object({"network": TEXT, **time("until", "Its last moment", null="for ever")}))}
    ),
    "doctor": an_object(
        {
            "findings": many(an_object({"what": TEXT, "ok": YES_OR_NO, "problem": MAYBE_TEXT})),
            "as": {"enum": ["operator", "worker", "producer"]},
            "ok": YES_OR_NO,
        }
    ),
    "support": an_object({"file": TEXT, "parts": TEXTS}),
    "pause": an_object(
        {"act": TEXT, "blocklist": TEXT, **time("until", "Its last moment", null="until somebody resumes")}
    ),
    "resume": an_object({"act": TEXT, "blocklist": TEXT, "was_paused": YES_OR_NO}),
    "reload": an_object({"act": TEXT, "generation": WHOLE}),
    "list": {
        "anyOf": [
            an_object(
                {
                    "bans": many(LISTED),
                    "shown": WHOLE,
                    "total": WHOLE,
                    **time("sets_seen", "The states are of that time", null="no IP set was looked into"),
                }
            ),
            an_object({"notes": many(NOTES)}),
        ]
    },
    "explain": an_object({"ip": TEXT, "jails": many(_EXPLAINED)}),
    "release": an_object(
        {
            "released": many(
                an_object(
                    {
                        "region": TEXT,
                        **time("held_back_from", "Since when", null="its note cannot be read"),
                        "bans": MAYBE_WHOLE,
                    }
                )
            )
        }
    ),
    "provision": an_object(
        {
            "steps": many(
                an_object({"what": TEXT, "outcome": {"enum": ["there", "made", "missing"]}, "remark": MAYBE_TEXT})
            ),
            "advice": TEXTS,
        }
    ),
    "repair": an_object({"epoch": TEXT, "bans": WHOLE, "states": WHOLE, "unreadable": WHOLE}),
    "check": an_object({"file": TEXT, "errors": TEXTS, "jails": many(_JAIL)}),
    "init": {
        "anyOf": [an_object({"file": TEXT}), an_object({"file": {"type": "null"}, "toml": TEXT})],
    },
    "import-fail2ban": an_object(
        {
            "file": MAYBE_TEXT,
            "toml": TEXT,
            "skipped": TEXTS,
            "not_the_same": TEXTS,
            "wrong": TEXTS,
            "only_observed": TEXTS,
        }
    ),
    "replay": an_object({"bans": many(BAN), "infractions": WHOLE, "ignored": WHOLE, "left_out": WHOLE}),
}
"""By the command's name."""


def document() -> Schema:
    """Return all of them in one document: `#/$defs/list` and so on."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What the commands of f2b print with --json",
        "$defs": COMMANDS,
    }


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=1)
    sys.stdout.write("\n")
