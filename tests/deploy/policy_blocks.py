"""The policies of docs/iam as they stand in the CloudFormation template.

    python -m tests.deploy.policy_blocks

writes them into the template anew, between its marks.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from localstack.policies import FOLDER
from tests.deploy.template import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLES = {
    "producer": "applications that report infractions",
    "worker": "workers of a fleet",
    "judge": "workers that judge and enforce nothing",
    "enforcer": "a worker that enforces and judges nothing",
    "shim": "f2b-shim",
    "read": "people who look",
    "operator": "people who ban, lift, allow, pause and reload",
    "dashboard": "people who run f2b dashboard, and, beside their own, workers with --http-port",
}
"""Each role with a policy of its own, and who has it."""

_FILLED = {
    "REGION": "${AWS::Region}",
    "ACCOUNT": "${AWS::AccountId}",
    "WAF_REGION": "${AWS::Region}",  # a stack for CloudFront is in us-east-1, as WAF is
    "SCOPE": "${Folder}",
    **dict.fromkeys(("QUEUE", "TABLE", "IP_SET", "RULE_GROUP"), "${Name}"),
}
_FOLDER = "{ Folder: !FindInMap [Scopes, !Ref Scope, InArns] }"


def logical_id(role: str) -> str:
    """Name the resource of a role's policy."""
    return f"{role.capitalize()}Policy"


def blocks() -> dict[str, list[str]]:
    """Write what stands between each pair of marks, line by line."""
    resources = [line for role, who in ROLES.items() for line in ("", *_resource(role, who))][1:]
    outputs = [line for role, who in ROLES.items() for line in _output(role, who)]
    return {"policies": resources, "policy-outputs": outputs}


def written(template: str) -> str:
    """Write the policies into a template."""
    for name, lines in blocks().items():
        text = "".join(f"  {line}\n" if line else "\n" for line in lines)
        mark = re.compile(rf"(  # <{name}>\n).*?(  # </{name}>\n)", re.DOTALL)
        template, number = mark.subn(lambda found, text=text: found[1] + text + found[2], template)  # type: ignore[misc]
        if number != 1:
            raise ValueError(f"the template has no marks of {name}")
    return template


def _resource(role: str, who: str) -> Iterator[str]:
    yield f"{logical_id(role)}:"
    yield "  Type: AWS::IAM::ManagedPolicy"
    yield "  Properties:"
    yield f"    Description: !Sub 'f2b ${{Name}}: {who}'"
    yield "    PolicyDocument:"
    document: dict[str, Any] = json.loads((FOLDER / f"{role}.json").read_text())
    yield f'      Version: "{document["Version"]}"'
    yield "      Statement:"
    for statement in document["Statement"]:
        yield from ("        " + line for line in _statement(statement))


def _statement(statement: dict[str, Any]) -> Iterator[str]:
    first = "- "
    for name, value in statement.items():
        yield from (
            first + line if number == 0 else "  " + line for number, line in enumerate(_field(name, value))
        )
        first = "  "


def _field(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield f"{name}:"
        yield from (f"  - {_scalar(each)}" for each in value)
    elif isinstance(value, dict):
        yield f"{name}:"
        yield from ("  " + line for key, each in value.items() for line in _field(key, each))
    else:
        yield f"{name}: {_scalar(value)}"


def _scalar(value: str) -> str:
    filled = re.sub(r"\b[A-Z]+(?:_[A-Z]+)*\b", lambda found: _FILLED.get(found[0], found[0]), value)
    filled = filled.replace("arn:aws:", "arn:${AWS::Partition}:")
    if "${Folder}" in filled:
        return f'!Sub ["{filled}", {_FOLDER}]'
    if "${" in filled:
        return f'!Sub "{filled}"'
    return filled if re.fullmatch(r"[\w:./-]+", filled) else json.dumps(filled)


def _output(role: str, who: str) -> Iterator[str]:
    yield f"{logical_id(role)}Arn:"
    yield f"  Description: Policy for {who}."
    yield f"  Value: !Ref {logical_id(role)}"


if __name__ == "__main__":
    TEMPLATE.write_text(written(TEMPLATE.read_text()))
