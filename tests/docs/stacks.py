"""Stands in for CloudFormation in pages: a stack of deploy/cloudformation/f2b.yaml, made by `f2b provision`.

`tests/deploy` makes the template's own resources, and holds that `provision` makes the same; so that is not done
twice. What this adds is what a reader can get wrong: the parameters are held against the template's, the web ACL
is made and associated, and where the stack has an ECS service, a worker runs as that service would run it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from f2b_worker.adapters.provisioning import needs
from tests.deploy.template import TEMPLATE, Place, Resolver, TemplateError, as_text, load

LOOK_ONLY = "--no-execute-changeset"
OPTIONS = {"--stack-name", "--template-file", "--parameter-overrides", "--capabilities", "--region", LOOK_ONLY}
ADDRESSES_IN_A_SET = 10_000
PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 10})
"""CloudFormation, too, waits until WAF takes another write: provision has just made one."""


class StackError(Exception):
    """CloudFormation would not make this stack."""


def errors_in(words: list[str]) -> list[str]:
    """Say what is wrong in the words after `aws cloudformation deploy`."""
    options = {word for word in words if word.startswith("--")}
    wrong = [f"aws cloudformation deploy has no {each}" for each in sorted(options - OPTIONS)]
    try:
        _parameters(words)
    except StackError as error:
        wrong.append(str(error))
    return wrong


def deploy(words: list[str]) -> None:
    """Make or change the stack.

    Raises:
        StackError: The template has no such parameter, or does not allow its value.
    """
    parameters = _parameters(words, _parameters_before())
    if LOOK_ONLY in words:
        return
    _provision(parameters)
    boto = boto3.Session()
    waf = boto.client("wafv2", config=PATIENT)
    group = _rule_group(waf, parameters)
    outputs = {"RuleGroupArn": group, "TableName": parameters["Name"]}
    outputs["QueueUrl"] = boto.client("sqs").get_queue_url(QueueName=parameters["Name"])["QueueUrl"]
    outputs["ProducerPolicyArn"] = f"arn:aws:iam::{os.environ['AWS_ACCESS_KEY_ID']}:policy/f2b-ProducerPolicy"
    if parameters["ProtectedResourceArn"] or parameters["MakeWebAcl"] == "true":
        outputs["WebAclArn"] = _web_acl(waf, parameters, group)
    is_new = not _file().exists()
    name = words[words.index("--stack-name") + 1]
    _file().write_text(json.dumps({"StackName": name, "Parameters": parameters, "Outputs": outputs}))
    if parameters["Image"] and is_new:
        _start_the_service(parameters)


def described() -> dict[str, Any]:
    """Answer what `aws cloudformation describe-stacks` says of it.

    Raises:
        StackError: There is none.
    """
    if not _file().exists():
        raise StackError("there is no stack")
    stack = json.loads(_file().read_text())
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in stack["Outputs"].items()]
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack["Parameters"].items()]
    said = {"StackStatus": "CREATE_COMPLETE", "Parameters": parameters, "Outputs": outputs}
    return {"Stacks": [stack | said]}


def _file() -> Path:
    return Path(os.environ["DOCS_STATE"]) / "stack.json"


def _parameters_before() -> dict[str, str]:
    """Read what the stack has already: `aws cloudformation deploy` keeps what it is not given."""
    kept: dict[str, str] = json.loads(_file().read_text())["Parameters"] if _file().exists() else {}
    return kept


def _parameters(words: list[str], before: dict[str, str] | None = None) -> dict[str, str]:
    known = _known_parameters()
    values = {name: default for name, (default, _) in known.items()} | (before or {})
    given = words[words.index("--parameter-overrides") + 1 :] if "--parameter-overrides" in words else []
    for word in given:
        if word.startswith("--"):
            break
        name, _, value = word.partition("=")
        if name not in known:
            raise StackError(f"the template has no parameter {name}")
        allowed = known[name][1]
        if allowed and value not in allowed:
            raise StackError(f"{name} is one of {', '.join(allowed)}, not {value}")
        values[name] = value
    return values


def _known_parameters() -> dict[str, tuple[str, list[str]]]:
    """Read each parameter's default, and what it allows; all values if that is empty."""
    declared = load(TEMPLATE)["Parameters"].items()
    return {
        name: (as_text(each["Default"]), [*map(as_text, each.get("AllowedValues", ()))]) for name, each in declared
    }


def _check(parameters: dict[str, str]) -> None:
    """Hold them against the template's patterns and rules, too."""
    place = Place(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_DEFAULT_REGION"])
    try:
        Resolver(load(TEMPLATE), place, parameters)
    except TemplateError as error:
        raise StackError(str(error)) from error


def _provision(parameters: dict[str, str]) -> None:
    _check(parameters)
    name = parameters["Name"]
    capacity = str(ADDRESSES_IN_A_SET * int(parameters["SetsPerFamily"]))
    command = ["f2b", "provision", "--queue", name, "--table", name, "--ip-set", name, "--rule-group", name]
    command += ["--scope", parameters["Scope"], "--capacity", capacity]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _rule_group(waf: Any, parameters: dict[str, str]) -> str:
    """Give the rule the stack's action."""
    listed = waf.list_rule_groups(Scope=parameters["Scope"])["RuleGroups"]
    found = next(each for each in listed if each["Name"] == parameters["Name"])
    where = {"Name": found["Name"], "Scope": parameters["Scope"], "Id": found["Id"]}
    answer = waf.get_rule_group(**where)
    (rule,) = answer["RuleGroup"]["Rules"]
    rule["Action"] = {parameters["Action"].capitalize(): {}}
    kept = {name: answer["RuleGroup"][name] for name in ("Description", "VisibilityConfig")}
    waf.update_rule_group(**where, **kept, Rules=[rule], LockToken=answer["LockToken"])
    arn: str = found["ARN"]
    return arn


def _web_acl(waf: Any, parameters: dict[str, str], group: str) -> str:
    name, scope = parameters["Name"], parameters["Scope"]
    there = [each["ARN"] for each in waf.list_web_acls(Scope=scope)["WebACLs"] if each["Name"] == name]
    arn: str = there[0] if there else _made_web_acl(waf, name, scope, group)
    if parameters["ProtectedResourceArn"]:
        waf.associate_web_acl(WebACLArn=arn, ResourceArn=parameters["ProtectedResourceArn"])
    return arn


def _made_web_acl(waf: Any, name: str, scope: str, group: str) -> str:
    made = waf.create_web_acl(
        Name=name,
        Scope=scope,
        DefaultAction={"Allow": {}},
        Rules=[needs.web_acl_rule(name, group)],
        VisibilityConfig=needs.visible(name),
    )
    arn: str = made["Summary"]["ARN"]
    return arn


def _start_the_service(parameters: dict[str, str]) -> None:
    name = parameters["Name"]
    variables = {"F2B_QUEUE": name, "F2B_TABLE": name, "F2B_IP_SET": name, "F2B_SCOPE": parameters["Scope"]}
    subprocess.run(["f2b-worker", "--processes", "1"], env=os.environ | variables, check=True)
