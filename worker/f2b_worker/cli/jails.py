"""`f2b check`, `init` and `import-fail2ban`: what has to do with the jails file."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from f2b_worker.cli.options import config_option, subcommand_config
from f2b_worker.cli.show import duration
from f2b_worker.config.jails_file import jails_errors, read_jails
from f2b_worker.config.jails_schema import did_you_mean
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.toml_file import read_toml
from f2b_worker.config.wording import plain
from f2b_worker.domain.jails import DEFAULT_JAIL, FOREVER_MS
from f2b_worker.errors import F2bError, StartError
from f2b_worker.offline.fail2ban_import import Fail2banFileError, Source
from f2b_worker.offline.fail2ban_import import import_fail2ban as imported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from f2b_worker.domain.jails import Jail, Policy

EXAMPLE_FILE = "f2b.toml"
STANDARD_OUTPUT = "-"


class RefusedError(F2bError):
    """The command leaves everything as it is; the text says why."""

    exit_code = 1


@click.command(epilog="Example: f2b check --config f2b.toml")
@config_option
def check(config: Path | None) -> None:
    """Say everything that is wrong in a jails file, or what its jails mean.

    It makes no call to AWS. Exit codes: 0 right, 1 wrong, 2 wrong usage.
    """
    path = subcommand_config(config)
    if path is None:
        raise click.UsageError("give --config FILE, or set F2B_CONFIG")
    errors = [*jails_errors(path), *_worker_errors(path)]
    for error in errors:
        click.echo(error, err=True)
    if errors:
        sys.exit(1)
    for line in _summary(read_jails(path).policy):
        click.echo(line)


def _worker_errors(path: Path) -> Iterator[str]:
    try:
        table = read_toml(path).get("worker", {})
    except StartError:  # jails_errors has told it
        return
    if not isinstance(table, dict):  # the same
        return
    fields = WorkerSettings.model_fields
    known = {key: value for key, value in table.items() if key in fields}
    for key in table:
        if key not in known:
            yield f"{path}: worker.{key}: no such key{did_you_mean(key, fields)}"
    try:
        # The table alone: what the environment says cannot hide what is wrong in it.
        WorkerSettings.model_validate({"queue": None, **known})
    except ValidationError as error:
        for one in error.errors():
            place = ".".join(str(part) for part in one["loc"])
            yield f"{path}: worker.{place}: {plain(one)}"


def _summary(policy: Policy) -> Iterator[str]:
    jails = [policy.jail(name) for name in dict.fromkeys([DEFAULT_JAIL, *policy.jails])]
    rows = [("JAIL", "WINDOWS", "BANTIME", "INCREMENT", "IGNORED"), *map(_row, jails)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(jail: Jail) -> tuple[str, ...]:
    windows = ", ".join(f"{each.maxretry} in {duration(each.findtime_ms)}" for each in jail.windows)
    return jail.name, windows, _bantime(jail), _increment(jail), str(len(jail.ignore.entries))


def _bantime(jail: Jail) -> str:
    return "for ever" if jail.bantime_ms >= FOREVER_MS else duration(jail.bantime_ms)


def _increment(jail: Jail) -> str:
    if not jail.increment:
        return "no"
    multiples = ", ".join(f"{each:g}" for each in jail.multipliers)
    growth = f"{multiples} times" if multiples else "doubling"
    factor = f", factor {jail.factor:g}" if jail.factor != 1 else ""
    maxtime = f", at most {duration(jail.maxtime_ms)}" if jail.maxtime_ms is not None else ""
    return growth + factor + maxtime


@click.command(epilog="Example: f2b init f2b.toml")
@click.argument("file", default=EXAMPLE_FILE, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def init(file: str, *, force: bool) -> None:
    """Write a jails file to start from: fail2ban's defaults and three jails, with the reasons as comments.

    FILE is f2b.toml by default; - is standard output. Exit codes: 0 written, 1 not written, 2 wrong usage.
    """
    text = resources.files("f2b_worker.config").joinpath(EXAMPLE_FILE).read_text("utf-8")
    if file == STANDARD_OUTPUT:
        click.echo(text, nl=False)
    else:
        _write(Path(file), text, force=force)


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise RefusedError(f"{path} is there already: --force overwrites it") from error
    except OSError as error:
        raise RefusedError(f"{path}: cannot be written: {error.strerror}") from error


@click.command(
    "import-fail2ban",
    epilog="Example: f2b import-fail2ban jail.conf jail.local --output f2b.toml",
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE…"
)
@click.option("--all", "all_jails", is_flag=True, help="Also take over the jails that are not enabled.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite the --output FILE.")
def import_fail2ban(files: Sequence[Path], output: Path | None, *, all_jails: bool, force: bool) -> None:
    """Turn fail2ban's jails into a jails file, and say what f2b does not have.

    Name the files in fail2ban's order: jail.conf, jail.d/*.conf, jail.local, jail.d/*.local. Later files override
    earlier ones. Add fail2ban.conf for its dbpurgeage.

    Exit codes: 0 done, 1 something could not be taken over, 2 wrong usage.
    """
    result = imported([_source(file) for file in files], all_jails=all_jails)
    if output:
        _write(output, result.toml, force=force)
    else:
        click.echo(result.toml, nl=False)
    for note in result.notes:
        click.echo(f"not the same: {note}", err=True)
    for wrong in result.wrong:
        click.echo(f"wrong: {wrong}", err=True)
    if result.wrong:
        sys.exit(1)


def _source(path: Path) -> Source:
    try:
        return Source(str(path), path.read_text("utf-8"))
    except OSError as error:
        raise Fail2banFileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Fail2banFileError(f"{path}: not UTF-8: {error}") from error
