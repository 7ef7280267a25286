"""Finds the code of a page: what its reader does, what that should show, and what nobody runs, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GENERATED = tuple(
    f"docs/{name}.md" for name in ("commands", "settings", "metrics", "log-events", "errors", "report")
)
"""Their commands are made from the commands themselves."""
SHELL_LANGUAGES = ("sh", "bash", "console", "shell")
PROMPT = "$ "

_FENCE = re.compile(r"(?P<indent> *)(?P<ticks>```+)(?P<language>\S*)")
_MARK = re.compile(r"<!-- *(?P<what>not run|exit code (?P<code>\d+)): *(?P<reason>.+?) *-->")
_SAVED = re.compile(r"<!-- *saved as (?P<name>\S+) *-->")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        reason: Why it is not run; empty if it is.
        exit_code: What its last command ends with.
        saved_as: The file that the reader writes it into; empty if he does not.
        shown: What the page shows below it as its output; None if it shows nothing.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str = ""
    exit_code: int = 0
    saved_as: str = ""
    shown: str | None = None

    @property
    def is_session(self) -> bool:
        """Whether it shows commands behind a prompt, with what they print."""
        return self.language in ("text", "console") and self.text.startswith(PROMPT)

    @property
    def is_shell(self) -> bool:
        """Whether the reader should type it, or what a session shows."""
        return self.language in SHELL_LANGUAGES or self.is_session

    @property
    def place(self) -> str:
        """Where it is, for a test's name and for a failure."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Name the pages that people wrote."""
    found = [*ROOT.glob("README.md"), *ROOT.glob("SECURITY.md"), *ROOT.glob("producer/README.md")]
    found += [path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts]
    found += ROOT.glob("deploy/**/*.md")
    names = sorted(path.relative_to(ROOT).as_posix() for path in found)
    return [name for name in names if name not in GENERATED]


def blocks_of(page: str) -> list[Block]:
    """Read the blocks of a page of the repository."""
    return blocks_in((ROOT / page).read_text("utf-8"), page)


def blocks_in(text: str, page: str = "page.md") -> list[Block]:
    """Read the blocks of a page's text; a `text` block right below a shell block is what that shows."""
    found: list[Block] = []
    lines = text.splitlines()
    follows = False
    for block, before, end in _fenced(lines, page):
        if follows and block.language == "text" and not block.is_session and not before:
            found[-1] = replace(found[-1], shown=block.text)
        else:
            found.append(_marked(block, before))
        follows = block.is_shell and not block.is_session and not _next_word(lines, end).startswith("<!--")
    return found


def _fenced(lines: list[str], page: str) -> Iterator[tuple[Block, str, int]]:
    """Yield each block with the last line of prose since the one before, and the number of the line behind it."""
    number, prose = 0, ""
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number].rstrip())
        if not opened:
            prose = lines[number].strip() or prose
            number += 1
            continue
        end = number + 1
        while end < len(lines) and lines[end].strip() != opened["ticks"]:
            end += 1
        inner = [line.removeprefix(opened["indent"]) for line in lines[number + 1 : end]]
        yield Block(page, number + 1, opened["language"], "\n".join(inner)), prose, end + 1
        number, prose = end + 1, ""


def _next_word(lines: list[str], start: int) -> str:
    return next((line.strip() for line in lines[start:] if line.strip()), "")


def _marked(block: Block, before: str) -> Block:
    if saved := _SAVED.fullmatch(before):
        return replace(block, saved_as=saved["name"])
    mark = _MARK.fullmatch(before)
    if not mark:
        return block
    if mark["code"]:
        return replace(block, exit_code=int(mark["code"]))
    return replace(block, reason=mark["reason"])


def loose_commands(text: str) -> list[str]:
    """Find commands that are indented instead of fenced: nobody would run them."""
    fenced = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"(?<=\n\n) {4,}(?:f2b|f2b-\w+|pip|aws|curl|make|sqlite3|umask) .*", fenced)
