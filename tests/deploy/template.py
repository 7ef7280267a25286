"""A CloudFormation template, read and resolved as CloudFormation does it; what is not known here is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TEMPLATE = ROOT / "deploy" / "cloudformation" / "f2b.yaml"

Tree = Any
NO_VALUE = object()
"""What AWS::NoValue stands for: the property is not there."""

_SHORT = {
    "Ref": "Ref",
    "Condition": "Condition",
    **{name: f"Fn::{name}" for name in ("GetAtt", "Sub", "If", "Join", "FindInMap", "Equals", "And", "Or", "Not")},
    "EachMemberIn": "Fn::EachMemberIn",
}
_IN_TEXT = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")
_SECTIONS = {
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
}


class TemplateError(Exception):
    """CloudFormation would not take it, or this reader does not know it."""


class _Loader(yaml.SafeLoader):
    """Reads the short forms of functions."""


def _function(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Tree]:
    name = _SHORT.get(tag)
    if name is None:
        raise TemplateError(f"line {node.start_mark.line + 1}: !{tag} is not known here")
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return {name: str(text).split(".", 1) if tag == "GetAtt" else text}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    raise TemplateError(f"line {node.start_mark.line + 1}: !{tag} of a mapping")


_Loader.add_multi_constructor("!", _function)


@cache
def load(path: Path) -> dict[str, Tree]:
    """Read a template; whoever has it must not change it.

    Raises:
        TemplateError: If it has a section or a function that is not known here.
    """
    template: dict[str, Tree] = yaml.load(path.read_text(), _Loader)
    if unknown := template.keys() - _SECTIONS:
        raise TemplateError(f"sections that are not known here: {', '.join(sorted(unknown))}")
    return template


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack is made."""

    account: str
    region: str = "us-east-1"
    stack: str = "f2b"

    def pseudo_parameters(self) -> dict[str, Tree]:
        """Name what CloudFormation knows of itself."""
        return {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": "aws",
            "AWS::StackName": self.stack,
            "AWS::NoValue": NO_VALUE,
        }


@dataclass(slots=True)
class Known:
    """What Ref and GetAtt say of a resource that was made."""

    ref: str
    attributes: dict[str, str] = field(default_factory=dict)


class Resolver:
    """Gives every function of a template its value.

    Args:
        template: As `load` reads it.
        place: Where the stack is made.
        given: Parameters that have not their defaults.

    Raises:
        TemplateError: If a parameter is not one of those that are allowed, or a rule forbids it.
    """

    def __init__(self, template: Mapping[str, Tree], place: Place, given: Mapping[str, str]) -> None:
        self._template = template
        self.made: dict[str, Known] = {}
        self._values = place.pseudo_parameters() | _parameters(template["Parameters"], given)
        for name, rule in template.get("Rules", {}).items():
            self._obey(name, rule)

    def _obey(self, name: str, rule: Mapping[str, Tree]) -> None:
        if "RuleCondition" in rule and not self.is_true(rule["RuleCondition"]):
            return
        for each in rule["Assertions"]:
            if not self.is_true(each["Assert"]):
                raise TemplateError(f"{name}: {each['AssertDescription']}")

    def wanted(self) -> dict[str, dict[str, Tree]]:
        """List the resources whose condition holds, by their logical ids."""
        return {
            name: resource
            for name, resource in self._template["Resources"].items()
            if "Condition" not in resource or self.is_true({"Condition": resource["Condition"]})
        }

    def outputs(self) -> dict[str, Tree]:
        """Give the outputs whose condition holds."""
        return {
            name: self.value(output["Value"])
            for name, output in self._template["Outputs"].items()
            if "Condition" not in output or self.is_true({"Condition": output["Condition"]})
        }

    def value(self, tree: Tree) -> Tree:
        """Resolve *tree*, at any depth."""
        if isinstance(tree, list):
            return [each for each in map(self.value, tree) if each is not NO_VALUE]
        if not isinstance(tree, dict):
            return tree
        if (function := _function_in(tree)) is not None:
            return self._call(function, tree[function])
        resolved = {name: self.value(each) for name, each in tree.items()}
        return {name: each for name, each in resolved.items() if each is not NO_VALUE}

    def _call(self, function: str, argument: Tree) -> Tree:
        match function:
            case "Ref":
                return self._values[argument] if argument in self._values else self._known(argument).ref
            case "Fn::GetAtt":
                return self._attribute(*argument)
            case "Fn::Sub":
                return self._filled(argument)
            case "Fn::If":
                condition, then, otherwise = argument
                return self.value(then if self.is_true({"Condition": condition}) else otherwise)
            case "Fn::Join":
                separator, parts = argument
                return separator.join(str(each) for each in self.value(parts))
            case "Fn::FindInMap":
                name, first, second = self.value(argument)
                return self._template["Mappings"][name][first][second]
        raise TemplateError(f"{function} is not known here")

    def _known(self, logical_id: str) -> Known:
        if logical_id not in self.made:
            raise TemplateError(f"{logical_id} is referred to, and was not made")
        return self.made[logical_id]

    def _attribute(self, logical_id: str, name: str) -> str:
        attributes = self._known(logical_id).attributes
        if name not in attributes:
            raise TemplateError(f"{logical_id} has no attribute {name} that is known here")
        return attributes[name]

    def _filled(self, argument: Tree) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def value_of(found: re.Match[str]) -> str:
            name = found[1]
            if name in own:
                return str(self.value(own[name]))
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._call("Ref", name))

        return _IN_TEXT.sub(value_of, text)

    def is_true(self, tree: Tree) -> bool:
        """Decide a condition."""
        function = _function_in(tree)
        argument: Tree = tree[function] if function else None
        match function:
            case "Condition":
                return self.is_true(self._template["Conditions"][argument])
            case "Fn::Equals":
                left, right = (as_text(self.value(each)) for each in argument)
                return left == right
            case "Fn::And":
                return all(self.is_true(each) for each in argument)
            case "Fn::Or":
                return any(self.is_true(each) for each in argument)
            case "Fn::Not":
                return not self.is_true(argument[0])
            case "Fn::EachMemberIn":
                members, among = self.value(argument)
                return set(members) <= set(among)
        raise TemplateError(f"{tree} is no condition that is known here")


def needed_by(tree: Tree) -> Iterator[str]:
    """Name what a resource refers to, parameters included."""
    if isinstance(tree, list):
        for each in tree:
            yield from needed_by(each)
    if not isinstance(tree, dict):
        return
    function = _function_in(tree)
    if function == "Ref":
        yield tree["Ref"]
    elif function == "Fn::GetAtt":
        yield tree[function][0]
    else:
        if function == "Fn::Sub":
            text = tree[function] if isinstance(tree[function], str) else tree[function][0]
            yield from (name.partition(".")[0] for name in _IN_TEXT.findall(text))
        for each in tree.values():
            yield from needed_by(each)


def _function_in(tree: Mapping[str, Tree]) -> str | None:
    """Name the function that *tree* calls, if it calls one; a policy's statement has a Condition of its own."""
    if len(tree) != 1:
        return None
    (name,) = tree
    is_one = name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(tree[name], str))
    return name if is_one else None


def _parameters(declared: Mapping[str, Mapping[str, Tree]], given: Mapping[str, str]) -> dict[str, Tree]:
    if unknown := given.keys() - declared.keys():
        raise TemplateError(f"no parameters of the template: {', '.join(sorted(unknown))}")
    return {name: _parameter(name, each, given.get(name, each["Default"])) for name, each in declared.items()}


def _parameter(name: str, declared: Mapping[str, Tree], value: Tree) -> Tree:
    text = as_text(value)
    if "AllowedValues" in declared and text not in map(as_text, declared["AllowedValues"]):
        raise TemplateError(f"{name}: {text} is not allowed")
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], text):
        raise TemplateError(f"{name}: {text} is not allowed: {declared['ConstraintDescription']}")
    match declared["Type"]:
        case "String":
            return text
        case "CommaDelimitedList":
            return [each.strip() for each in text.split(",")]
        case "Number":
            if int(text) < declared.get("MinValue", int(text)):
                raise TemplateError(f"{name}: {text} is too small")
            return text
    raise TemplateError(f"{name}: the type {declared['Type']} is not known here")


def as_text(value: Tree) -> str:
    """Write a value as CloudFormation has it, which knows texts only."""
    return str(value).lower() if isinstance(value, bool) else str(value)
