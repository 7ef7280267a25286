"""Which commands the roles of docs/iam run that people have."""

from __future__ import annotations

from tests.integration.provisioning import NAMES, run
from tests.integration.worker_roles import ADDRESS

ALLOWED = "203.0.113.200"
LISTED = "203.0.113.210"
RULE_GROUP = "block-rules"

_QUEUE, _TABLE, _SETS = NAMES[:2], NAMES[2:4], NAMES[4:]
_LISTS = (
    ("list", *_TABLE, *_SETS),
    ("banned", ADDRESS, *_TABLE),
    ("audit", *_TABLE),
    ("stats", *_TABLE),
    ("stats", "--over", "24h", *_TABLE),
    ("export", *_TABLE),
    ("allow", "list", *_TABLE),
    ("allow", "check", ALLOWED, *_TABLE),
)
_STATUS = ("status", *NAMES)
_EXPLAIN = ("explain", ADDRESS, *_TABLE, *_SETS)

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "provision": (("provision", *NAMES, "--capacity", "20000", "--rule-group", RULE_GROUP),),
    "list": _LISTS,
    "status": (_STATUS,),
    "explain": (_EXPLAIN,),
    "read": (*_LISTS, _STATUS, _EXPLAIN),
    "release": (("release", *_TABLE),),
    "repair": (("repair", *_TABLE),),
    "operator": (
        ("ban", ADDRESS, *_TABLE),
        ("unban", ADDRESS, "--wait", "1s", *_TABLE, *_SETS),
        ("import", "-", *_TABLE),
        ("allow", "add", ADDRESS, *_TABLE),
        ("allow", "remove", ADDRESS, *_TABLE),
        ("allow", "import", "-", *_TABLE),
        ("pause", *_TABLE),
        ("resume", *_TABLE),
        ("reload", *_TABLE),
    ),
    "dlq": (
        ("dlq", "list", *_QUEUE),
        ("dlq", "retry", "--reason", "received_too_often", "--yes", *_QUEUE, *_TABLE),
        ("dlq", "drop", "--all", "--yes", *_QUEUE, *_TABLE),
    ),
}
PLAYED_BY_OTHERS = {
    ("dlq", "show"): "reads as dlq list does",
    ("doctor",): "its looking is played by itself, without what only tries permissions",
    ("support",): "runs status and doctor",
    ("dashboard",): "serves until Ctrl-C; what its pages call is played by itself",
    ("notify", "list"): "makes no call",
    ("notify", "test"): "its targets are played by themselves",
}


def commands_of(role: str) -> list[str]:
    """Run a role's commands; answer the lines about what failed."""
    return [line for command in COMMANDS[role] for line in _lines_of(*command)]


def _lines_of(*arguments: str) -> list[str]:
    answer = run(*arguments, typed=f"{LISTED}\n")
    assert answer.exit_code in {0, 1, 3}, answer.output
    return [line for line in answer.stderr.splitlines() if answer.exit_code or "not authorized" in line]
