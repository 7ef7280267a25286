"""The files of docs/iam, made of the calls that each role makes: here stands what each statement is about.

A call whose resource no statement of its role is about is an error: nobody has decided that the role may do it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from localstack.permissions import allows
from localstack.policies import Names, with_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localstack.permissions import Need

QUEUE = "arn:aws:sqs:REGION:ACCOUNT:QUEUE"
DEAD_LETTERS = f"{QUEUE}-dead"
TABLE = "arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE"
_WAF = "arn:aws:wafv2:WAF_REGION:ACCOUNT:SCOPE"
IP_SETS = [f"{_WAF}/ipset/IP_SET{more}/*" for more in ("", "-?", "-ipv?", "-ipv?-*")]
WEB_ACLS = f"{_WAF}/webacl/*"
RULE_GROUPS = f"{_WAF}/rulegroup/*"
OUR_RULE_GROUP = f"{_WAF}/rulegroup/RULE_GROUP/*"
EVERYTHING = "*"
"""Of actions that AWS can restrict to nothing."""

ANYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
"""The policy of whoever is only listened to."""


class Statement(NamedTuple):
    """What one statement is about.

    Attributes:
        sid: Its name.
        resource: On what.
        of: How its actions end, where another statement is about the same.
    """

    sid: str
    resource: str | list[str]
    of: str = ""


_FIND_SETS = Statement("FindIpSets", EVERYTHING)
_READ_SETS = Statement("ReadIpSets", IP_SETS)
_READ_BANS = Statement("ReadBans", TABLE)
_SEND = Statement("SendInfractions", QUEUE)
_TAKE = (Statement("TakeInfractions", QUEUE), Statement("PutBadMessagesAside", DEAD_LETTERS))
_LEDGER = Statement("KeepTheLedger", TABLE)
_COUNT = (Statement("CountWhatWaits", QUEUE), Statement("CountDeadLetters", DEAD_LETTERS))
_ENFORCE = (
    _FIND_SETS,
    Statement("UpdateIpSets", IP_SETS),
    Statement("SeeWhetherARuleUsesThem", WEB_ACLS),
    Statement("SeeWhetherARuleGroupUsesThem", RULE_GROUPS),
)

STATEMENTS: dict[str, tuple[Statement, ...]] = {
    "producer": (_SEND,),
    "shim": (_SEND,),
    "worker": (*_TAKE, _LEDGER, *_ENFORCE),
    "judge": (*_TAKE, _LEDGER),
    "enforcer": (_LEDGER, *_ENFORCE),
    "standalone": _ENFORCE,
    "notices": (
        Statement("TellByTopic", "arn:aws:sns:REGION:ACCOUNT:TOPIC"),
        Statement("TellByEventBus", "arn:aws:events:REGION:ACCOUNT:event-bus/BUS"),
    ),
    "read": (_READ_BANS, *_COUNT, _FIND_SETS, _READ_SETS),
    "list": (_READ_BANS, _FIND_SETS, _READ_SETS),
    "explain": (_READ_BANS, _FIND_SETS, _READ_SETS),
    "status": (_READ_BANS, *_COUNT, _FIND_SETS, _READ_SETS),
    "operator": (Statement("ReadAndChangeBans", TABLE), _FIND_SETS, _READ_SETS),
    "release": (Statement("ReadBansAndReleaseThem", TABLE),),
    "repair": (Statement("MakeTheBanLogAnewFromTheBans", TABLE),),
    "dlq": (
        Statement("ReadAndEmptyDeadLetters", DEAD_LETTERS),
        Statement("PutThemBack", QUEUE),
        Statement("RememberThat", TABLE),
    ),
    "dashboard": (
        Statement("ReadAndChangeBans", TABLE),
        Statement("CountWhatWaitsAndPutDeadLettersBack", QUEUE),
        Statement("ReadAndEmptyDeadLetters", DEAD_LETTERS),
        _FIND_SETS,
        _READ_SETS,
    ),
    "doctor": (
        Statement("LookAtTheQueue", QUEUE),
        Statement("FindTheDeadLetterQueue", DEAD_LETTERS),
        Statement("LookAtTheTableAndReadBans", TABLE),
        Statement("FindIpSetsAndWebAcls", EVERYTHING),
        _READ_SETS,
        Statement("SeeWhetherARuleUsesThemAndWhatItProtects", WEB_ACLS),
        Statement("SeeWhetherARuleGroupUsesThem", RULE_GROUPS),
    ),
    "provision": (
        Statement("MakeTheQueue", QUEUE),
        Statement("MakeTheDeadLetterQueue", DEAD_LETTERS),
        Statement("MakeTheTable", TABLE),
        Statement("FindIpSetsAndRuleGroups", EVERYTHING),
        Statement("MakeIpSets", IP_SETS, of="IPSet"),
        Statement("MakeTheRuleGroup", OUR_RULE_GROUP),
        Statement("LetItReferToTheIpSets", IP_SETS, of="RuleGroup"),
    ),
}


def made_of(role: str, needs: Iterable[Need], names: Names) -> str:
    """Write a role's file.

    Args:
        role: The file's name.
        needs: What the role's calls needed.
        names: Those in the resources of the calls.

    Raises:
        LookupError: If a call needed what no statement is about.
    """
    actions: dict[str, set[str]] = {each.sid: set() for each in STATEMENTS[role]}
    for action, resource in needs:
        actions[_statement_about(role, action, resource, names)].add(action)
    statements: list[dict[str, Any]] = [
        {"Sid": sid, "Effect": "Allow", "Action": sorted(actions[sid]), "Resource": resource}
        for sid, resource, _ in STATEMENTS[role]
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _statement_about(role: str, action: str, resource: str, names: Names) -> str:
    for each in STATEMENTS[role]:
        about = with_names({"Effect": "Allow", "Action": f"*{each.of}", "Resource": each.resource}, names)
        # What AWS can restrict to a resource is never allowed on everything.
        if (each.resource == EVERYTHING) == (resource == EVERYTHING) and allows([about], action, resource):
            return each.sid
    raise LookupError(f"{role}: no statement is about {action} on {resource}")
