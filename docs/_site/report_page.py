"""Writes docs/report.md: `python -m docs._site.report_page`. The worker may not import the producer's command."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

from f2b_producer._options import EPILOG, make_parser

if TYPE_CHECKING:
    from argparse import Action

_HEAD = """\
# The command `f2b-report`

This page is generated from the command by `make docs`; do not edit it. `f2b-report --help` says the same. The
command comes with the producer and needs nothing of the worker. [logs.md](logs.md) is about `--tail`.

```text
f2b-report [OPTIONS] [IP ...]
```

Without an IP, or with `-`, it reads lines from standard input: a JSON object each, in
[the simple form](wire.md#simple-for-any-language-and-for-the-command-line). A bad line is named on standard error,
and the rest is sent. With `--tail` it follows a log until SIGTERM or Ctrl-C.

Exit codes: 0 all was sent; 1 something was refused or not sent; 2 wrong usage. What it logs:
[log-events.md](log-events.md#the-lines-of-the-producer).

| option | what |
|---|---|
"""

_HEAD_OF_EXAMPLES = """
## Examples

<!-- not run: the queue is at AWS -->
"""


def page() -> str:
    """Return the page."""
    options = [each for each in make_parser()._actions if each.option_strings]  # noqa: SLF001 - told nowhere else
    example = dedent(EPILOG.partition("example:\n")[2].partition("\n\n")[0])
    return "".join([_HEAD, *map(_row, options), _HEAD_OF_EXAMPLES, f"```sh\n{example}\n```\n"])


def _row(option: Action) -> str:
    names = ", ".join(f"`{each}`" for each in option.option_strings)
    value = f" {option.metavar or option.dest.upper()}" if option.nargs != 0 else ""
    told = ((option.help or "") % vars(option)).replace("|", r"\|").replace("<", r"\<")
    return f"| {names}{value} | {told} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
