"""Writes docs/commands.md: `python -m f2b_worker.cli.command_page`."""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING

import click

from f2b_worker.cli.f2b import main

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# The commands of `f2b`

This page is generated from the commands by `make docs`; do not edit it. `f2b COMMAND --help` says the same.

- Data go to standard output, everything else to standard error.
- `--json` prints one JSON document. [commands.schema.json](commands.schema.json) has its schema, under
  `#/$defs/` and the command's name. A time is there twice: in seconds since 1970, and under `…_at` as of RFC 3339.
  An end that never comes is `null`.
- Where a command lists, `-o` prints a `table`, `json`, `ndjson` (a JSON object a line), `csv` or `plain` (the one
  value that matters, a line each).
- Exit codes: 0 done, or yes; 1 no, or something was refused; 2 wrong usage; 3 something is missing, not allowed or
  away; 130 interrupted.
- Colours and progress are for a terminal only, and `NO_COLOR` switches colours off.
- An option wins over its variable, that over `[operator]` in the file of `--config`, that over `[worker]` there.
  The file is `~/.config/f2b/f2b.toml` where none is named.

Completion of commands and options in bash; `zsh` and `fish` likewise:

```sh
eval "$(_F2B_COMPLETE=bash_source f2b)"
```
"""


def page() -> str:
    """Return the page."""
    context = click.Context(main, info_name="f2b")
    return "\n".join([_HEAD, *_listed(context), *_of_group(main, context)])


def _listed(context: click.Context) -> Iterator[str]:
    yield "| command | what it does |\n|---|---|"
    for name, verb in main.verbs.items():
        yield f"| [`{name}`](#{_anchor(f'{context.info_name} {name}')}) | {verb.short} |"
    yield ""


def _of_group(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield from _of_command(command, inner)
        if isinstance(command, click.Group):
            yield from _of_group(command, inner)


def _of_command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n"
    yield f"```text\n{_usage(command, context)}\n```\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield from _options(command)
    if command.epilog:
        examples = command.epilog.partition("Example: ")[2]
        yield f"```sh\n{examples}\n```\n"


def _usage(command: click.Command, context: click.Context) -> str:
    named = [each for each in command.params if isinstance(each, click.Argument)]
    arguments = [each.metavar or (each.name or "").upper() for each in named]
    verb = ["COMMAND"] if isinstance(command, click.Group) else []
    return " ".join([context.command_path, "[OPTIONS]", *arguments, *verb])


def _options(command: click.Command) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    if not options:
        return
    yield "| option | what |\n|---|---|"
    for each in options:
        names = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts))
        yield f"| {names}{_value(each)} | {_told(each)} |"
    yield ""


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + ", ".join(f"`{each}`" for each in option.type.choices)
    return f" {option.metavar or (option.name or '').upper()}".replace("[", "\\[")


def _told(option: click.Option) -> str:
    default = f" By default {option.default}." if option.show_default and not option.is_flag else ""
    return re.sub(r"\s+", " ", option.help or "").replace("|", "\\|") + default


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(page())
