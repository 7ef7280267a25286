"""`f2b check`, `init` and `import-fail2ban`: what has to do with the jails file."""

from __future__ import annotations

from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import options
from f2b_worker.cli.output import columns, json_option, remark, say_lines, show_document
from f2b_worker.config.jails_file import jails_errors, read_jails
from f2b_worker.config.jails_schema import did_you_mean
from f2b_worker.config.operator import config_file, operator_errors
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.toml_file import read_toml
from f2b_worker.config.wording import plain
from f2b_worker.domain.jails import DEFAULT_JAIL, FOREVER_MS
from f2b_worker.errors import RefusedError, StartError
from f2b_worker.offline.fail2ban_import import import_fail2ban as imported
from f2b_worker.offline.fail2ban_import.files import action_files as find_action_files
from f2b_worker.offline.fail2ban_import.files import find_files, folders_of
from f2b_worker.query.wording import duration, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from f2b_worker.domain.jails import Jail, Policy
    from f2b_worker.offline.fail2ban_import import Imported
    from f2b_worker.offline.fail2ban_import.files import Found

EXAMPLE_FILE = "f2b.toml"
STANDARD_OUTPUT = "-"


@click.command(epilog="Example: f2b check --config f2b.toml")
@options("config")
@json_option
def check(config: Path | None, *, as_json: bool) -> None:
    """Say everything that is wrong in a jails file.

    If nothing is, it says what its jails mean.
    It makes no call to AWS. Exit codes: 0 right, 1 wrong, 2 wrong usage.
    """
    before = click.get_current_context().find_root().params.get("config")
    path = config_file(config or before)
    if path is None:
        raise click.UsageError("give --config FILE, or set F2B_CONFIG")
    errors = list(dict.fromkeys([*jails_errors(path), *_worker_errors(path), *operator_errors(path)]))
    policy = None if errors else read_jails(path).policy
    if as_json:
        jails = [_jail_object(jail) for jail in _jails_of(policy)] if policy else []
        show_document({"file": str(path), "errors": errors, "jails": jails})
    elif policy:
        say_lines(_summary(policy))
    for error in errors:
        remark(error)
    answer(yes=not errors)


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


def _jails_of(policy: Policy) -> list[Jail]:
    return [policy.jail(name) for name in dict.fromkeys([DEFAULT_JAIL, *policy.jails])]


def _summary(policy: Policy) -> Iterator[str]:
    yield from columns([("JAIL", "WINDOWS", "BANTIME", "INCREMENT", "IGNORED"), *map(_row, _jails_of(policy))])


def _jail_object(jail: Jail) -> dict[str, Any]:
    return {
        "jail": jail.name,
        "windows": [{"maxretry": each.maxretry, "findtime": seconds(each.findtime_ms)} for each in jail.windows],
        "bantime": seconds(jail.bantime_ms),
        "increment": jail.increment,
        "observed": jail.observed,
        "blocklists": list(jail.blocklists),
        "ignored": list(jail.ignore.entries),
    }


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
@json_option
def init(file: str, *, force: bool, as_json: bool) -> None:
    """Write a jails file to start from.

    It has fail2ban's defaults and three jails, with the reasons as comments.
    FILE is f2b.toml by default; - is standard output. Exit codes: 0 written, 1 not written, 2 wrong usage.
    """
    text = resources.files("f2b_worker.config").joinpath(EXAMPLE_FILE).read_text("utf-8")
    if file == STANDARD_OUTPUT and not as_json:
        click.echo(text, nl=False)
    elif file != STANDARD_OUTPUT:
        _write(Path(file), text, force=force)
    if as_json:
        show_document({"file": file} if file != STANDARD_OUTPUT else {"file": None, "toml": text})


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
    epilog="Example: f2b import-fail2ban /etc/fail2ban --output jails.toml",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("--all", "all_jails", is_flag=True, help="Also take over the jails that are not enabled.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite the --output FILE.")
@json_option
def import_fail2ban(
    files: Sequence[Path], output: Path | None, *, all_jails: bool, force: bool, as_json: bool
) -> None:
    """Turn fail2ban's jails into a jails file.

    It computes what fail2ban computes, and says what f2b does not have.
    FILE is the folder /etc/fail2ban, or its files in fail2ban's order: jail.conf, jail.d/*.conf, jail.local,
    jail.d/*.local, and fail2ban.conf for its dbpurgeage. Later files override earlier ones. Included files
    are read, too. What is not there is skipped.
    A jail of which something was lost, or whose actions ban nobody, only observes: it bans nobody.

    Exit codes: 0 done, 1 something could not be taken over, 2 wrong usage.
    """
    found = find_files(files)
    if not found.sources:
        raise click.UsageError("; ".join(found.skipped))
    result = imported(
        found.sources, all_jails=all_jails, action_files=partial(find_action_files, folders_of(files))
    )
    if output:
        _write(output, result.toml, force=force)
    elif not as_json:
        click.echo(result.toml, nl=False)
    if as_json:
        show_document(
            {
                "file": str(output) if output else None,
                "toml": result.toml,
                "skipped": list(found.skipped),
                "not_the_same": list(result.notes),
                "wrong": list(result.wrong),
                "only_observed": list(result.observed),
            }
        )
    for line in _remarks(found, result):
        remark(line)
    answer(yes=not result.wrong)


def _remarks(found: Found, result: Imported) -> Iterator[str]:
    yield from found.skipped
    yield from (f"not the same: {note}" for note in result.notes)
    yield from (f"wrong: {wrong}" for wrong in result.wrong)
    if result.observed:
        yield f"only observed, so that nobody is banned wrongly: {', '.join(result.observed)}: the file says why"
