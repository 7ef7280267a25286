"""All commands of `f2b`, however deep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from f2b_worker.cli.f2b import main

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands() -> dict[tuple[str, ...], click.Command]:
    """Return every command that does something, by the words that call it."""
    return dict(_of(main, (), click.Context(main, info_name="f2b")))


def _of(
    group: click.Group, words: tuple[str, ...], context: click.Context
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _of(command, (*words, name), click.Context(command, info_name=name, parent=context))
        else:
            yield (*words, name), command


def examples(command: click.Command) -> list[str]:
    """Return the examples of a command's help."""
    return (command.epilog or "").removeprefix("Example: ").split("; ")
