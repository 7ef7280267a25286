"""Stands in for the AWS CLI in pages: `aws SERVICE OPERATION --argument value`, by boto3 and AWS's own models.

An operation or an argument that AWS does not have is an error, as it is there. `aws_cli.errors_in` says so without
calling anything: for commands of services that the local AWS does not have.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.validate import ParamValidator

from tests.docs import stacks

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

GLOBAL = {"--region", "--output", "--query", "--profile", "--endpoint-url"}
SWITCHES = {"--no-cli-pager"}
RENAMED = {("sns", "--notification-endpoint"): "--endpoint", ("lambda", "--zip-file"): "--code"}
"""What the AWS CLI calls otherwise than AWS's model (awscli/customizations/argrename.py)."""
OF_THE_CLI = {("ecr", "get-login-password"), ("logs", "tail"), ("cloudformation", "package")}
"""What the AWS CLI has and AWS's models do not; nothing but the name is looked at."""
_OF_A_VARIABLE = "what-a-variable-of-the-reader-may-hold"
DEPLOY = ["cloudformation", "deploy"]


class WrongUsageError(Exception):
    """The AWS CLI would refuse it."""


class Call:
    """One command line, read against the service's model.

    Raises:
        WrongUsageError: AWS has no such operation or argument, or a value cannot be one.
    """

    def __init__(self, words: list[str]) -> None:
        options, rest = _without_global(words)
        if len(rest) < 2:
            raise WrongUsageError("aws needs a service and an operation")
        self.service, self.operation = rest[0], rest[1]
        self.options = options
        self.model = _operation(self.service, self.operation)
        self.arguments = _arguments(self.model, rest[2:])
        shape = self.model.input_shape
        report = ParamValidator().validate(self.arguments, shape) if shape else None
        if report and report.has_errors():
            raise WrongUsageError(report.generate_report())

    def answer(self) -> Any:
        """Call AWS; answer what `--query` leaves of what it says."""
        client = boto3.client(self.service, region_name=self.options.get("--region"))  # type: ignore[call-overload]
        if self.model.name == "DescribeStacks":
            said = stacks.described()
        else:
            said = getattr(client, xform_name(self.model.name))(**self.arguments)
            said.pop("ResponseMetadata", None)
        query = self.options.get("--query")
        return jmespath.search(query, said) if query else said


def calls_in(commands: str) -> list[str]:
    """Find the command lines of the AWS CLI in a block, also those in `$(…)`."""
    joined = re.sub(r"\s*\\\n\s*", " ", commands)
    return re.findall(r"""(?:^|(?<=\$\()|(?<=&& ))aws (?:"[^"]*"|'[^']*'|[^\n)"'])+""", joined, re.MULTILINE)


def errors_in(command: str) -> list[str]:
    """Say what the AWS CLI would refuse in a command line; what variables and files hold is not looked at."""
    words = shlex.split(re.sub(r"\$\{?\w+\}?", _OF_A_VARIABLE, command), comments=True)
    words = list(itertools.takewhile(lambda word: word[0] not in "|>;&", words))
    rest = _without_global(words[1:])[1]
    if rest[:2] == DEPLOY:
        return stacks.errors_in(rest[2:])
    if tuple(rest[:2]) in OF_THE_CLI or rest[0] == "s3":
        return []
    try:
        if rest[1] == "wait":
            _check_waiter(rest[0], rest[2])
        else:
            Call(words[1:])
    except FileNotFoundError:
        return []
    except WrongUsageError as error:
        return [f"{command}: {error}"]
    return []


def _check_waiter(service: str, name: str) -> None:
    names = _session().get_waiter_model(service).waiter_names
    if name not in {xform_name(each, "-") for each in names}:
        raise WrongUsageError(f"aws {service} waits for no {name}")


@cache
def _session() -> Any:
    return boto3.Session()._session


def _operation(service: str, name: str) -> OperationModel:
    try:
        model = _session().get_service_model(service)
    except BotoCoreError as error:
        raise WrongUsageError(f"aws has no service {service}") from error
    for each in model.operation_names:
        if xform_name(each, "-") == name:
            found: OperationModel = model.operation_model(each)
            return found
    raise WrongUsageError(f"aws {service} has no operation {name}")


def _without_global(words: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word in GLOBAL:
            options[word] = next(left)
        elif word not in SWITCHES:
            rest.append(word)
    return options, rest


def _arguments(operation: OperationModel, words: list[str]) -> dict[str, Any]:
    shape = operation.input_shape
    names = {f"--{xform_name(member, '-')}": member for member in (shape.members if shape else ())}
    arguments: dict[str, Any] = {}
    service = operation.service_model.service_name
    for written, values in _grouped(words):
        option = RENAMED.get((service, written), written)
        plain = f"--{option.removeprefix('--no-')}" if option not in names else option
        if plain not in names:
            raise WrongUsageError(f"aws {service} {operation.name} has no {option}")
        member = shape.members[names[plain]] if shape else None
        arguments[names[plain]] = _value(member, values, option)
    return arguments


def _grouped(words: list[str]) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            groups.append((word, []))
        elif groups:
            groups[-1][1].append(word)
        else:
            raise WrongUsageError(f"aws does not expect {word!r} here")
    return groups


def _value(shape: Shape | None, values: list[str], option: str) -> Any:
    kind = shape.type_name if shape else "string"
    if kind == "boolean":
        return not option.startswith("--no-")
    texts = [_read(each) for each in values]
    if not texts:
        raise WrongUsageError(f"{option} needs a value")
    if kind in ("structure", "map", "list") and texts[0].lstrip().startswith(("{", "[")):
        return _json(texts[0], option)
    if kind == "list":
        return [_scalar(shape.member, each, option) for each in texts]  # type: ignore[union-attr]
    return _scalar(shape, texts[0], option)


def _scalar(shape: Shape | None, text: str, option: str) -> Any:
    kind = shape.type_name if shape else "string"
    if kind in ("structure", "map") and text.startswith("fileb://"):
        return {"ZipFile": b"of the reader"}  # what only `--zip-file` takes
    if kind in ("structure", "map"):
        return _shorthand(shape, text, option)
    if kind == "list":
        return [_scalar(shape.member, text, option)]  # type: ignore[union-attr]
    if kind in ("integer", "long"):
        return int(text)
    if kind == "boolean":
        return text == "true"
    return text


def _shorthand(shape: Shape | None, text: str, option: str) -> dict[str, Any]:
    """Read `Key=value,Key={Key=value}` as the CLI does; a list may have one value: write JSON for more."""
    read: dict[str, Any] = {}
    for part in _split(text[1:-1] if text.startswith("{") else text):
        key, equals, value = part.partition("=")
        if not equals:
            raise WrongUsageError(f"{option}: {part!r} is no Key=value")
        read[key] = _scalar(getattr(shape, "members", {}).get(key) or getattr(shape, "value", None), value, option)
    return read


def _split(text: str) -> list[str]:
    """Split at the commas that are in no braces."""
    return [part.strip(",") for part in re.findall(r"(?:[^,{}]|\{[^}]*\})+", text)]


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise WrongUsageError(f"{option}: {error}") from error


def _read(value: str) -> str:
    return Path(value.removeprefix("file://")).read_text("utf-8") if value.startswith("file://") else value


def _printed(answer: Any, form: str) -> str:
    if form != "text":
        return json.dumps(answer, indent=4, default=str)
    if isinstance(answer, list):
        return "\n".join("\t".join(map(str, each)) if isinstance(each, list) else str(each) for each in answer)
    return "None" if answer is None else str(answer)


def main(words: list[str]) -> int:
    """Run one command line as the AWS CLI would."""
    try:
        if words[:2] == DEPLOY:
            stacks.deploy(words[2:])
            return 0
        call = Call(words)
        answer = call.answer()
    except (WrongUsageError, stacks.StackError, ClientError, BotoCoreError, OSError) as error:
        sys.stderr.write(f"aws: {error}\n")
        return 252 if isinstance(error, WrongUsageError) else 254
    if answer not in (None, {}) or "--query" in call.options:  # the CLI prints the null of a query
        sys.stdout.write(_printed(answer, call.options.get("--output", "json")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
