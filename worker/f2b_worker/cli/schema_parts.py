"""What stands in the JSON documents of the commands: a ban, an act, an outcome, the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.cli.json_schema import (
    MAYBE_SECONDS,
    MAYBE_TEXT,
    MAYBE_WHOLE,
    SECONDS,
    TEXT,
    TEXTS,
    WHOLE,
    YES_OR_NO,
    Schema,
    an_object,
    by_name,
    many,
    maybe,
    time,
)
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.judge.enforcement import State
from f2b_worker.domain.judge.explanations import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

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
FOUND_BAN = an_object({"asked": TEXT, **_BAN})
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
        "how": {"type": "string", "description": "What else was said, in words that follow the verb: `for 1h`."},
        "id": TEXT,
    }
)
_HIT = an_object(
    {**time("time", "When"), "id": TEXT, "reporter": maybe(TEXT), "note": maybe(TEXT), "weight": WHOLE}
)
_WINDOW = {"maxretry": WHOLE, "findtime": MAYBE_SECONDS}
_PAST = an_object({**_BAN, "evidence": many(_HIT)})
EXPLAINED = an_object(
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
JAIL = an_object(
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

OUTCOME = an_object(
    {
        "ip": {"type": "string", "description": "An address or a network; as it was written, if it is neither."},
        "jail": MAYBE_TEXT,
        "outcome": TEXT,
        **time("until", "Its last moment", null="for ever, or it does not hold"),
        "why": MAYBE_TEXT,
    }
)
ALLOWED = an_object(
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

LETTER = an_object(
    {"id": TEXT, **time("time", "When it came there"), "reason": TEXT, "detail": TEXT, "body": TEXT}
)

REFUSED = many(an_object({"ip": TEXT, "why": TEXT}))


def outcomes(done: str) -> Schema:
    """Describe what became of each thing, and of how many it is *done*."""
    return an_object({"outcomes": many(OUTCOME), "act": MAYBE_TEXT, done: WHOLE})


_ENFORCER = an_object(
    {
        "region": TEXT,
        "owner": {**MAYBE_TEXT, "description": "Who enforces; null: nobody, or there is no lease to be asked."},
        "enforces": TEXT,
        **time("noted", "When it noted how its IP sets are", null="it did not"),
        "waiting": {**MAYBE_WHOLE, "description": "Bans in no IP set yet; null: not known, or more than 100."},
        **time("waiting_since", "Since when the ban waits that waits longest", null="none does"),
        **time("held_back_from", "Bans that start then or later are held back", null="none are"),
        **time("last_enforced", "When new bans were last written", null="not since it took over"),
        "last_took": {
            "type": ["number", "null"],
            "description": "How long the slowest of them took from its report. In seconds.",
        },
        "updates_last_minute": {
            **MAYBE_WHOLE,
            "description": "Its UpdateIPSet calls of the minute before `noted`.",
        },
        "updates_per_minute": {**WHOLE, "description": "So many WAF takes, of all callers together."},
    }
)

STATUS = an_object(
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
        "enforcers": many(_ENFORCER),
        "queue": maybe(
            an_object(
                {
                    "waiting": WHOLE,
                    "in_flight": WHOLE,
                    "delayed": WHOLE,
                    "dead_letters": WHOLE,
                    "oldest_age": {
                        "type": ["number", "null"],
                        "description": "How old the oldest message is, of those that workers received lately,"
                        " or that wait in a state file. In seconds; null: nobody knows.",
                    },
                }
            )
        ),
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

_KINDS = {
    "infractions": {**WHOLE, "description": "Judged."},
    "bans": {**WHOLE, "description": "That began; none that is only observed."},
    "unbans": {**WHOLE, "description": "Bans that ended or were lifted."},
}

OVER_TIME = an_object(
    {
        "steps": many(an_object({**time("begin", "The begin of the step"), **_KINDS})),
        "step_s": WHOLE,
        "kinds": {
            **an_object(dict.fromkeys(_KINDS, by_name(many(WHOLE)))),
            "description": "The same numbers by jail, one for each step.",
        },
    }
)
