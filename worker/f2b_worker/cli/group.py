"""A group of commands that are imported when they are called, and end with one line for each error of ours."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from f2b_worker.cli.output import remark
from f2b_worker.errors import F2bError, RefusedError
from f2b_worker.signals import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

NO = 1
"""The answer is no, or something was refused."""

CANNOT = 3
"""Something is missing, not allowed or away."""


_SHORT = 200
"""More characters than the first sentence of any command's help has."""


class Verb(NamedTuple):
    """Where a command is, and the first sentence of its help, for the group's help, which imports none."""

    place: str
    short: str
    heading: str = ""


class LateGroup(click.Group):
    """A group whose commands are imported when they are called.

    Args:
        verbs: The commands by name, in the order in which the help shows them: `module:attribute` each.
        settings: What click's own group takes.
    """

    def __init__(self, *settings: Any, verbs: Mapping[str, Verb], **others: Any) -> None:
        super().__init__(*settings, **others)
        self.verbs = verbs

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name all commands."""
        return [*self.commands, *self.verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        verb = self.verbs.get(cmd_name)
        if verb is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = verb.place.partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with what is known of them without an import, under their headings."""
        every = self._every()
        for heading in dict.fromkeys(each.heading for each in every.values()):
            rows = [(name, verb.short) for name, verb in every.items() if verb.heading == heading]
            with formatter.section(heading or "Commands"):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, with what is known of it without an import, or of an option."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only where something is completed

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        every = self._every()
        found = [CompletionItem(name, help=every[name].short) for name in names]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def _every(self) -> dict[str, Verb]:
        here = {name: Verb("", each.get_short_help_str(_SHORT)) for name, each in self.commands.items()}
        return {**here, **self.verbs}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that is misspelt is answered with the nearest names."""
        name = args[0]
        # Where it is only to be completed, nothing is said of what is wrong.
        if not ctx.resilient_parsing and not name.startswith("-") and name not in self.list_commands(ctx):
            ctx.fail(f"No such command '{name}'.{_near(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def _near(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is misspelt

    near = get_close_matches(name, names)
    return f" Did you mean {' or '.join(near)}?" if near else ""


class F2bGroup(LateGroup):
    """The commands of `f2b`: an error of ours becomes one line, and a code that tells which kind it is."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an `F2bError` becomes its line and its exit code."""
        try:
            return super().invoke(ctx)
        except F2bError as error:
            remark(f"f2b: {error}")
            ctx.exit(NO if isinstance(error, RefusedError) else CANNOT)
        except KeyboardInterrupt:
            remark("f2b: interrupted")
            ctx.exit(EXIT_INTERRUPTED)


def answer(ctx: click.Context | None = None, *, yes: bool) -> NoReturn:
    """End a command that was asked a question: 0 for yes, 1 for no."""
    (ctx or click.get_current_context()).exit(0 if yes else NO)
