"""What `Made.snapshot()` must say, by the one description of what f2b needs."""

from __future__ import annotations

import json
from typing import Any

from demo.fleet import NAME
from f2b_worker.adapters.provisioning import needs
from f2b_worker.domain.blocklists import Action, Scope

_IN_THE_ACCOUNT = "us-east-1:_"


def snapshot() -> dict[str, Any]:
    """Say what is there after provision with a rule group, or with a template as it is."""
    dead = needs.dead_letters_of(NAME)
    sets = [_ip_set(name, family) for name, family in needs.ip_sets(NAME, 1)]
    rules = [needs.rule("block", Action.BLOCK, [each["ARN"] for each in sets])]
    group = {key: each for key, each in needs.rule_group(NAME, Scope.REGIONAL, rules).items() if key != "Scope"}
    return {
        "queues": {
            NAME: _queue(json.loads(needs.redrive_policy(f"arn:aws:sqs:{_IN_THE_ACCOUNT}:{dead}"))),
            dead: _queue({}),
        },
        "table": _table(),
        "IP sets": sorted(sets, key=lambda each: str(each["Name"])),
        "rule group": {**group, **_named("rulegroup", NAME)},
    }


def _queue(redrive: dict[str, Any]) -> dict[str, Any]:
    return {**needs.queue_attributes(), "DelaySeconds": "0", "redrive": redrive}


def _table() -> dict[str, Any]:
    keys = needs.table_keys()
    ttl = needs.time_to_live()
    return {
        "TableName": NAME,
        "attributes": keys.pop("AttributeDefinitions"),
        "billing": keys.pop("BillingMode"),
        "DeletionProtectionEnabled": True,
        "indexes": [],
        "ttl": ["ENABLED" if ttl["Enabled"] else "DISABLED", ttl["AttributeName"]],
        "recovery": "ENABLED",
        **keys,
    }


def _ip_set(name: str, family: needs.Family) -> dict[str, Any]:
    made = needs.ip_set(name, family, Scope.REGIONAL)
    return {key: each for key, each in made.items() if key != "Scope"} | _named("ipset", name)


def _named(kind: str, name: str) -> dict[str, Any]:
    arn = f"arn:aws:wafv2:{_IN_THE_ACCOUNT}:regional/{kind}/{name}/_"
    return {"Name": name, "Id": "_", "ARN": arn}
