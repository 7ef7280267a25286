"""`f2b explain`: why an address is banned, or is not."""

from __future__ import annotations

from typing import Any

import click

from f2b_worker.cli.explanation import as_lines
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, say_lines, show_document
from f2b_worker.config.jails_file import read_jails
from f2b_worker.query.lookup import asked_in
from f2b_worker.query.story import story, story_object


@click.command(epilog="Example: f2b explain 203.0.113.7 --table f2b --ip-set f2b --config f2b.toml")
@click.argument("address", metavar="IP")
@ledger_options("ip_set", "scope")
@click.option(
    "--jail", metavar="NAME", help="Only this jail. By default: every jail in the file or with a ban of IP."
)
@json_option
def explain(address: str, *, jail: str | None, as_json: bool, **given: Any) -> None:
    """Say why an address is banned, or why it is not.

    Shows the running ban with its infractions, the infractions that no ban has used yet, the earlier bans, and
    what people did by hand. Bans of networks around the address are explained, too. If IP sets are named by
    option or in the file, it also shows which of them hold the address now. Give the jails file of the workers:
    the command needs it to say what is missing for a ban. With the extra [geo] it says in which country the
    address is registered.
    """
    settings = settings_of(given, role="explain")
    jails = read_jails(settings.config)
    try:
        asked = asked_in(address, jails.policy)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="IP") from error
    found = story(settings, jails, asked, jail=jail)
    if as_json:
        show_document(story_object(address, found))
    else:
        paragraphs = [["", *as_lines(each)] for each in found.answers]
        say_lines([line for each in paragraphs for line in each][1:])
