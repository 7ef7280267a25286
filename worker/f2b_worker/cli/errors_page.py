"""Writes docs/errors.md: `python -m f2b_worker.cli.errors_page`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import f2b_worker
from f2b_worker.adapters.answers import KINDS_BY_CODE
from f2b_worker.cli.error_lines import lines_in
from f2b_worker.cli.error_remedies import KINDS, LINES
from f2b_worker.cli.source import meaning_of
from f2b_worker.errors import CredentialsAway, FileLost, GaveUp, RefusedError, Retryable, StartError, StuckError
from f2b_worker.process.worker import EXIT_PART_DIED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.cli.error_lines import Line

_HEAD = """\
# Errors, and what to do

This page is generated from the source by `make docs`; do not edit it. A test fails if the code has an error
that tells nobody what to do.

A command that cannot do its work prints one line to standard error, and ends with an exit code. The line begins
with the command's name. It says what was being done, what went wrong, mostly in AWS's words, and what to do:

```text
f2b-worker: environment variable F2B_QUEU is not a setting of f2b; did you mean F2B_QUEUE?
```

A traceback is a defect of f2b: tell us.

## Exit codes

| code | of `f2b` | of `f2b-worker` and `f2b-shim` | of `f2b-report` |
|---|---|---|---|
| 0 | done, or yes | stopped on request | all was sent |
| 1 | no, or something was refused | | something was refused or not sent |
| 2 | wrong usage | wrong usage | wrong usage |
| 3 | something is missing, not allowed or away | cannot start as configured | |
| 4 | | a part of the worker died: start it again | |
| 5 | | AWS, or who gives out its credentials, was away at the start: start it again | |
| 130 | Ctrl-C | Ctrl-C while it started | |

A supervisor may start a process again after any code but 2 and 3. [operations.md](operations.md) has the details.

## Kinds of failures

A worker that works does not end for most of these. It tries again, and says so in [the log](log-events.md), where
`kind` is this word. `f2b_aws_failures_total` counts them. The code is that of `f2b-worker` and `f2b-shim` at a
start; where it is 5, a worker tries for half a minute before. `f2b` ends with 3, after a `RefusedError` with 1.
"""

_HEAD_OF_LINES = """\
Each line that f2b itself makes, with … for what it fills in. Its kind tells the exit code; `usage` is 2. In a
worker that works, the same line is the `reason` of a line of the log, and nothing ends.

What is wrong in a jails file is named by the file, the table and the key, and `f2b check` names all of it. What to
do with a table or a state file of another version, [upgrade.md](upgrade.md) says."""

_AREAS = {
    "adapters/provisioning/": "Provisioning",
    "adapters/sqs/": "The queue",
    "adapters/dynamodb/": "The table",
    "adapters/sqlite/": "The state file",
    "adapters/waf/": "IP sets",
    "adapters/": "AWS",
    "intake/": "The queue",
    "cli/": "Commands",
    "acting/": "Commands",
    "query/": "Commands",
    "offline/": "Files",
    "config/": "Settings and the jails file",
    "": "Processes",
}

_USAGE = ("UsageError", "BadParameter", "WrongSetting")
"""What click raises for wrong usage, and what `usage_errors` makes that of: exit code 2."""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_kinds(), *_codes(), *_lines()])


def lines() -> list[Line]:
    """Find the lines of errors; those of the twins for tests are no user's."""
    kinds = {kind.__name__: kind for kind in KINDS} | dict.fromkeys(_USAGE) | {"F2bError": None}
    found = lines_in(Path(f2b_worker.__file__).parent, kinds, f2b_worker.__name__)
    return [each for each in found if not each.module.startswith("testing/")]


def _kinds() -> Iterator[str]:
    yield "| kind | means | code at a start | do |\n|---|---|---|---|"
    for kind, do in KINDS.items():
        yield f"| `{kind.__name__}` | {meaning_of(kind)} | {_exit_code(kind)} | {do} |"
    yield ""


def _exit_code(kind: type[Exception]) -> str:
    if issubclass(kind, RefusedError):
        return ""  # of `f2b` alone
    if issubclass(kind, FileLost | StuckError):
        return f"{EXIT_PART_DIED}, later"
    if issubclass(kind, StartError):
        return str(kind.exit_code)
    return str(GaveUp.exit_code if issubclass(kind, Retryable | CredentialsAway) else StartError.exit_code)


def _codes() -> Iterator[str]:
    yield "## What AWS answers\n"
    yield "The code of an error of AWS, and the kind of failure that it is here. Any other code is `Rejected`, or"
    yield "`Unavailable` with a status of 500 and more.\n"
    yield "| kind | AWS's codes |\n|---|---|"
    for kind in dict.fromkeys(KINDS_BY_CODE.values()):
        codes = sorted(code for code, each in KINDS_BY_CODE.items() if each is kind)
        yield f"| `{kind.__name__}` | {', '.join(f'`{code}`' for code in codes)} |"
    yield ""


def _lines() -> Iterator[str]:
    yield "## Lines\n"
    yield _HEAD_OF_LINES
    by_area: dict[str, list[Line]] = {}
    for line in lines():
        by_area.setdefault(_area(line.module), []).append(line)
    for area in dict.fromkeys(_AREAS.values()):
        yield f"\n### {area}\n\n| line | kind | do |\n|---|---|---|"
        rows = (
            f"| {_shown(line.text)} | `{'usage' if line.kind in _USAGE else line.kind}` |"
            f" {LINES.get(line.text, 'what the line says')} |"
            for line in sorted(by_area.get(area, ()))
        )
        yield from dict.fromkeys(rows)
    yield ""


def _area(module: str) -> str:
    return next(area for start, area in _AREAS.items() if module.startswith(start))


def _shown(line: str) -> str:
    escaped = line.replace("|", r"\|")
    return f"`{escaped}`"


if __name__ == "__main__":
    sys.stdout.write(page())
