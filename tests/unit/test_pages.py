"""The pages about the code name only what there is: files, folders, methods, and other pages."""

from __future__ import annotations

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES_ABOUT_THE_CODE = ("CONTRIBUTING.md", "docs/architecture.md", "docs/design.md")
CODE = ("worker/f2b_worker", "producer/f2b_producer")
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("producer/*.md"))
    if "_build" not in path.parts
)

_IN_BACKTICKS = re.compile(r"`([^`\s]+)`")
_IS_A_FILE_OR_FOLDER = re.compile(r"[\w./-]+(\.py|\.md|\.toml|/)")
_IS_A_METHOD = re.compile(r"([A-Z]\w+)\.(\w+)")
_IS_A_TEST = re.compile(r"`(test_\w+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NOT_OURS = {"__pycache__", "dist", "node_modules"}


@pytest.mark.parametrize("page", PAGES_ABOUT_THE_CODE)
def test_every_file_and_folder_that_a_page_about_the_code_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")

    assert list(names_in(text)), "the page names nothing: has its form changed?"
    assert invented_names(text) == []


@pytest.mark.parametrize("page", PAGES_ABOUT_THE_CODE)
def test_every_method_that_a_page_about_the_code_names_is_there(page: str) -> None:
    assert invented_methods((ROOT / page).read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_or_a_heading_leads_somewhere(page: str) -> None:
    assert dead_links(ROOT / page) == []


def test_every_defence_against_a_threat_names_a_test_that_there_is() -> None:
    named = _IS_A_TEST.findall((ROOT / "SECURITY.md").read_text("utf-8"))

    assert len(named) > 20, "the threat model names hardly a test: has its form changed?"
    assert set(named) - _tests() == set()


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text("utf-8")
    named = {(ROOT / "docs" / target.partition("#")[0]).resolve() for target in _LINK.findall(index)}

    assert {ROOT / page for page in PAGES} - named - {ROOT / "docs/index.md"} == set()


def test_the_status_that_the_readme_shows_is_that_of_the_page_which_runs_it() -> None:
    shown = (ROOT / "README.md").read_text("utf-8").partition("docs/incidents.md runs it")[2].split("```")[1]

    assert "enforcer" in shown
    assert shown.removeprefix("text\n") in (ROOT / "docs/incidents.md").read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    ["`intake/invented.py`", "`invented/`", "`domain/loop.py`", "`op.py`", "`invented.toml`", "`invented.md`"],
)
def test_a_name_that_is_invented_is_noticed(text: str) -> None:
    assert invented_names(f"See {text} and `intake/loop.py`.") == [text.strip("`")]


def test_a_method_that_is_invented_is_noticed() -> None:
    assert invented_methods("`Intake.run`, `Intake.invent()`, `Invented.run`") == ["Intake.invent", "Invented.run"]


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n\n## The `two`, and 3\n\n[1](#one) [2](page.md#the-two-and-3) [3](#four) [5](six.md)\n"
    )

    assert dead_links(page) == ["#four", "six.md"]


def names_in(text: str) -> list[str]:
    return [name for name in _IN_BACKTICKS.findall(text) if _IS_A_FILE_OR_FOLDER.fullmatch(name)]


def invented_names(text: str) -> list[str]:
    """Find the names of no file and no folder; a name may leave out the folders above."""
    return [name for name in names_in(text) if not _is_there(name)]


def _is_there(name: str) -> bool:
    return any(path == name or path.endswith(f"/{name}") for path in _tree())


@cache
def _tree() -> frozenset[str]:
    found = set()
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in _NOT_OURS]
        below = Path(folder).relative_to(ROOT).as_posix()
        prefix = "" if below == "." else f"{below}/"
        found |= {f"{prefix}{each}" for each in files} | {f"{prefix}{each}/" for each in folders}
    return frozenset(found)


@cache
def _tests() -> set[str]:
    form = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)
    return {name for path in (ROOT / "tests").rglob("*.py") for name in form.findall(path.read_text("utf-8"))}


def invented_methods(text: str) -> list[str]:
    """Find what is written as `Class.method` and is neither a method nor an attribute of a class of that name."""
    words = [each.removesuffix("()") for each in _IN_BACKTICKS.findall(text) if each not in names_in(text)]
    named = map(_IS_A_METHOD.fullmatch, words)
    members = _members()
    return [each[0] for each in named if each and each[2] not in members.get(each[1], ())]


@cache
def _members() -> dict[str, set[str]]:
    members: dict[str, set[str]] = {}
    for folder in CODE:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    members.setdefault(node.name, set()).update(_names_of(node))
    return members


def _names_of(node: ast.ClassDef) -> set[str]:
    functions = {each.name for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))}
    fields = {
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    return functions | fields


def dead_links(page: Path) -> list[str]:
    """Find the links within the repository that lead to no file, or to no heading of a page."""
    links = _LINK.findall(page.read_text("utf-8"))
    return [link for link in links if "://" not in link and not _leads_somewhere(page, link)]


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, heading = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return False
    return not heading or heading in _headings(target)


def _headings(page: Path) -> set[str]:
    """Name the headings as GitHub does in its links."""
    lines = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL).splitlines()
    titles = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}
