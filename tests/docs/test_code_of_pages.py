"""What a page shows beside its commands can be read by what it is for: code, files, options, variables."""

from __future__ import annotations

import ast
import configparser
import json
import re
import subprocess
import tomllib
from functools import cache
from typing import TYPE_CHECKING

import click
import pytest

from demo.fleet import BIN
from f2b_worker.cli.f2b import main as f2b
from f2b_worker.cli.shim import main as f2b_shim
from f2b_worker.cli.worker import main as f2b_worker
from f2b_worker.config.jails_file import jails_errors
from tests.docs import aws_cli
from tests.docs.blocks import ROOT, SHELL_LANGUAGES, Block, blocks_of, loose_commands, pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCKS = [block for page in pages() for block in blocks_of(page)]
OF_PROXIES = {"nginx", "apache", "lua", "vcl"}
LANGUAGES = {
    *SHELL_LANGUAGES,
    *OF_PROXIES,
    "python",
    "toml",
    "json",
    "ini",
    "yaml",
    "text",
    "hcl",
    "mermaid",
}
TABLES_OF_A_JAILS_FILE = {"notices", "defaults", "jails", "blocklists", "worker", "operator"}
OF_OTHERS = {
    "--reload": "uvicorn",
    "--no-proxy-headers": "uvicorn",
    "--lifespan": "uvicorn",
    "--graceful-timeout": "gunicorn",
    "--preload": "gunicorn",
    "--noreload": "Django",
    "--max-tasks-per-child": "Celery",
    "--endpoint-url": "AWS CLI",
    "--no-execute-changeset": "AWS CLI",
    "--max-time": "curl",
    "--retry": "curl",
    "--retry-connrefused": "curl",
    "--content-on-error": "wget",
    "--no-healthcheck": "Docker",
    "--time": "Docker",
    "--build-arg": "Docker",
    "--platform": "Docker",
    "--require-hashes": "pip",
}
"""Options of other programs that pages mention, and whose they are."""

_IN_BACKTICKS = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
_VARIABLE = re.compile(r"\bF2B_[A-Z0-9_]*[A-Z0-9]\b")


def of_language(*languages: str) -> list[Block]:
    return [each for each in BLOCKS if each.language in languages]


def places(blocks: list[Block]) -> list[str]:
    return [each.place for each in blocks]


@pytest.mark.parametrize("page", pages())
def test_every_block_says_what_language_it_is_in_and_no_command_is_hidden_from_the_tests(page: str) -> None:
    strange = [each.place for each in blocks_of(page) if each.language not in LANGUAGES]

    assert strange == []
    assert loose_commands((ROOT / page).read_text("utf-8")) == []


@pytest.mark.parametrize("block", of_language("python"), ids=places(of_language("python")))
def test_python_in_a_page_is_python(block: Block) -> None:
    compile(block.text, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


@pytest.mark.parametrize("block", of_language("toml"), ids=places(of_language("toml")))
def test_toml_in_a_page_is_a_jails_file_that_the_workers_take(block: Block, tmp_path: Path) -> None:
    assert set(tomllib.loads(block.text)) <= TABLES_OF_A_JAILS_FILE
    file = tmp_path / "f2b.toml"
    file.write_text(block.text)

    assert jails_errors(file) == []


@pytest.mark.parametrize("block", of_language("json"), ids=places(of_language("json")))
def test_json_in_a_page_is_json_or_an_object_a_line(block: Block) -> None:
    is_one = not re.search(r"[}\]]\n[{\[]", block.text)

    assert [json.loads(part) for part in ([block.text] if is_one else block.text.splitlines())]


@pytest.mark.parametrize("block", of_language("ini"), ids=places(of_language("ini")))
def test_an_ini_file_in_a_page_is_one(block: Block) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment]
    has_sections = re.search(r"^\[", block.text, re.MULTILINE)
    parser.read_string(block.text if has_sections else f"[part]\n{block.text}")

    assert all(parser[section] for section in parser.sections())


@pytest.mark.parametrize("page", pages())
def test_every_option_and_variable_that_a_page_mentions_is_one_of_a_command(page: str) -> None:
    prose = _without_blocks((ROOT / page).read_text("utf-8"))
    ours = "\n".join(each for each in _IN_BACKTICKS.findall(prose) if not each.startswith("aws "))

    assert {each for each in _OPTION.findall(ours) if each not in OF_OTHERS} - _options() == set()
    assert set(_VARIABLE.findall(prose)) - _variables() == set()


@pytest.mark.parametrize("page", pages())
def test_every_call_of_the_aws_cli_in_a_page_is_one_that_aws_has(page: str) -> None:
    assert [error for call in aws_calls(page) for error in aws_cli.errors_in(call)] == []


def aws_calls(page: str) -> Iterator[str]:
    """Find the calls in blocks and in the prose; those of blocks that are not run, too."""
    for block in blocks_of(page):
        if block.is_shell:
            yield from aws_cli.calls_in(block.text)
    for code in re.findall(r"`(aws [^`]+)`", _without_blocks((ROOT / page).read_text("utf-8"))):
        if " --" in code:
            yield re.sub(r"\s+", " ", code)


def _without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def _options() -> set[str]:
    own = subprocess.run([str(BIN / "f2b-report"), "--help"], capture_output=True, text=True, check=True).stdout
    found = set(_OPTION.findall(own))
    for command in (f2b, f2b_worker, f2b_shim):
        found |= set(_options_of(command, click.Context(command)))
    return found | _options_of_make()


def _options_of(command: click.Command, context: click.Context) -> Iterator[str]:
    for each in command.params:
        yield from (*each.opts, *each.secondary_opts)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _options_of(inner, click.Context(inner, info_name=name, parent=context))


def _options_of_make() -> set[str]:
    """Find the options of what `make demo` and `make bench-…` start: pages show them as `ARGS="--only few"`."""
    sources = [*ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("demo/*.py")]
    return {each for path in sources for each in re.findall(r'["/](--[a-z][a-z-]+)', path.read_text("utf-8"))}


@cache
def _variables() -> set[str]:
    """Read the generated pages: tests hold these against the commands."""
    pages = [ROOT / "docs/settings.md", ROOT / "docs/commands.md"]
    return {name for page in pages for name in _VARIABLE.findall(page.read_text("utf-8"))}
