"""The tables of deploy/terraform/README.md, read out of the module's files, and its copies of docs/iam.

    python -m tests.deploy.module_page

writes both anew. Of Terraform's language it knows what variables.tf and outputs.tf use, and refuses all else.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localstack.policies import FOLDER
from tests.conftest import ROOT
from tests.deploy.policy_blocks import ROLES

if TYPE_CHECKING:
    from pathlib import Path

MODULE = ROOT / "deploy" / "terraform"
PAGE = MODULE / "README.md"

_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}\n', re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (\w+) += (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Variable:
    """An input of the module."""

    name: str
    type: str
    default: Any
    description: str


def variables(path: Path = MODULE / "variables.tf") -> list[Variable]:
    """Read the inputs, in the order of their file."""
    return [
        Variable(name, fields["type"], json.loads(fields["default"]), json.loads(fields["description"]))
        for name, fields in _blocks(path, "variable")
    ]


def outputs() -> dict[str, str]:
    """Read the outputs: name and description."""
    return {name: json.loads(fields["description"]) for name, fields in _blocks(MODULE / "outputs.tf", "output")}


def _blocks(path: Path, kind: str) -> list[tuple[str, dict[str, str]]]:
    text = path.read_text()
    found = [(name, dict(_FIELD.findall(body))) for each, name, body in _BLOCK.findall(text) if each == kind]
    if len(found) != len(re.findall(rf"^{kind} ", text, re.MULTILINE)):
        raise ValueError(f"{path} has a {kind} that is not written as the others")
    return found


def written(page: str) -> str:
    """Put both tables into a page."""
    inputs = ["| name | type | default | what |", "|---|---|---|---|"]
    inputs += [
        f"| `{each.name}` | {each.type} | `{json.dumps(each.default)}` | {each.description} |"
        for each in variables()
    ]
    answers = ["| name | what |", "|---|---|"]
    answers += [f"| `{name}` | {description} |" for name, description in outputs().items()]
    return _between(_between(page, "inputs", inputs), "outputs", answers)


def _between(page: str, name: str, lines: list[str]) -> str:
    begin, end = re.escape(f"<!-- {name}: "), re.escape(f"<!-- end of {name} -->")
    text = "\n".join(lines)
    made, number = re.subn(
        rf"({begin}.*?-->\n).*?({end})", lambda at: f"{at[1]}\n{text}\n\n{at[2]}", page, flags=re.DOTALL
    )
    if number != 1:
        raise ValueError(f"{PAGE} has not one place for its {name}")
    return made


if __name__ == "__main__":
    for each in ROLES:
        shutil.copyfile(FOLDER / f"{each}.json", MODULE / "policies" / f"{each}.json")
    PAGE.write_text(written(PAGE.read_text()))
