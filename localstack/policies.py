"""The policies of docs/iam with names filled in, and in a form in which two of them can be compared."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "iam"
FOLDERS_OF_WAF = {"REGIONAL": "regional", "CLOUDFRONT": "global"}
CLOUDFRONTS_REGION = "us-east-1"

Permission = tuple[str, str, str, str]
"""Effect, action, resource and conditions as JSON: one way of what a statement says."""

_PLACEHOLDER = re.compile(r"\b[A-Z]+(?:_[A-Z]+)*\b")
_PARTITION = re.compile(r"\barn:aws:")


@dataclass(frozen=True, slots=True)
class Names:
    """What stands in place of the words in capitals.

    Attributes:
        ip_set: A name as `--ip-set` has it.
        scope: REGIONAL or CLOUDFRONT.
        partition: Of the ARNs, such as aws-cn.
    """

    account: str = "123456789012"
    region: str = "us-east-1"
    queue: str = "f2b"
    table: str = "f2b"
    ip_set: str = "f2b"
    rule_group: str = "f2b"
    topic: str = "f2b"
    bus: str = "default"
    key_arn: str = "KEY_ARN"
    scope: str = "REGIONAL"
    partition: str = "aws"

    @property
    def placeholders(self) -> dict[str, str]:
        """Each word in capitals, and what stands in its place."""
        return {
            "ACCOUNT": self.account,
            "REGION": self.region,
            "QUEUE": self.queue,
            "TABLE": self.table,
            "IP_SET": self.ip_set,
            "RULE_GROUP": self.rule_group,
            "TOPIC": self.topic,
            "BUS": self.bus,
            "KEY_ARN": self.key_arn,
            "SCOPE": FOLDERS_OF_WAF[self.scope],
            "WAF_REGION": CLOUDFRONTS_REGION if self.scope == "CLOUDFRONT" else self.region,
        }


def filled(role: str, names: Names) -> dict[str, Any]:
    """Read docs/iam/ROLE.json, with names in place of its words in capitals.

    Raises:
        KeyError: If it has a word in capitals that nothing is known of.
    """
    return with_names(json.loads((FOLDER / f"{role}.json").read_text()), names)


def with_names(document: dict[str, Any], names: Names) -> dict[str, Any]:
    """Put names in place of the words in capitals."""
    words = names.placeholders
    text = _PLACEHOLDER.sub(lambda found: words[found[0]], json.dumps(document))
    found: dict[str, Any] = json.loads(_PARTITION.sub(f"arn:{names.partition}:", text))
    return found


def normalised(policy: dict[str, Any]) -> list[Permission]:
    """List all that a policy's statements say, whatever their names, their order and how they are put together."""
    return sorted(
        {
            (
                statement["Effect"],
                action,
                resource,
                json.dumps(statement.get("Condition", {}), sort_keys=True),
            )
            for statement in listed(policy["Statement"])
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        }
    )


def listed(value: Any) -> list[Any]:
    """IAM takes one of anything without a list around it."""
    return value if isinstance(value, list) else [value]
