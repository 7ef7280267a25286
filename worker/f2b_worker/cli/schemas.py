"""What each command's JSON document looks like, as a JSON Schema: `python -m f2b_worker.cli.schemas` writes them.

No command imports this: it is for docs/commands.schema.json, and for the tests that hold the commands to it.
"""

from __future__ import annotations

import json
import sys

from f2b_worker.cli.json_schema import (
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
    time,
)
from f2b_worker.cli.schema_parts import (
    ACT,
    ALLOWED,
    BAN,
    EXPLAINED,
    FOUND_BAN,
    JAIL,
    LETTER,
    LISTED,
    NOTES,
    OVER_TIME,
    REFUSED,
    STATUS,
    outcomes,
)

COMMANDS: dict[str, Schema] = {
    "status": STATUS,
    "banned": an_object({"bans": many(FOUND_BAN), "not_banned": TEXTS}),
    "audit": an_object({"acts": many(ACT)}),
    "ban": outcomes("banned"),
    "unban": outcomes("lifted"),
    "allow add": outcomes("allowed"),
    "allow remove": outcomes("removed"),
    "allow import": an_object(
        {
            "act": MAYBE_TEXT,
            "added": WHOLE,
            "there": {**WHOLE, "description": "They were on the list already, and last as long or longer."},
            "lifted": WHOLE,
            "failed": WHOLE,
            "refused": REFUSED,
        }
    ),
    "allow list": an_object({"entries": many(ALLOWED)}),
    "allow check": an_object({"entries": many(ALLOWED)}),
    "import": an_object(
        {
            "act": MAYBE_TEXT,
            "banned": WHOLE,
            "lifted": WHOLE,
            "failed": WHOLE,
            "refused": REFUSED,
        }
    ),
    "dlq list": an_object({"letters": many(LETTER), "reasons": by_name(WHOLE)}),
    "dlq show": an_object({"letters": many(LETTER)}),
    "dlq retry": an_object({"letters": many(LETTER)}),
    "dlq drop": an_object({"letters": many(LETTER)}),
    "stats": {
        "anyOf": [
            an_object({"groups": many(an_object({"name": TEXT, "bans": WHOLE})), "by": TEXT, "total": WHOLE}),
            OVER_TIME,
        ]
    },
    "export": an_object(
        {"networks": many(an_object({"network": TEXT, **time("until", "Its last moment", null="for ever")}))}
    ),
    "dashboard": an_object({"url": TEXT, "can_act": YES_OR_NO, "token": MAYBE_TEXT}),
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
    "explain": an_object({"ip": TEXT, "jails": many(EXPLAINED)}),
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
    "notify list": an_object(
        {
            "targets": many(
                an_object(
                    {
                        "target": TEXT,
                        "to": TEXT,
                        "on": TEXTS,
                        "jails": TEXTS,
                        "severity": TEXT,
                        "group_wait": SECONDS,
                        "group_max": WHOLE,
                    }
                )
            )
        }
    ),
    "notify test": an_object(
        {"targets": many(an_object({"target": TEXT, "sent": YES_OR_NO, "reason": MAYBE_TEXT}))}
    ),
    "check": an_object({"file": TEXT, "errors": TEXTS, "jails": many(JAIL)}),
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
