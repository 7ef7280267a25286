"""`f2b explain`: why an address is banned, or is not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.explanation import Answer, as_lines, as_object
from f2b_worker.cli.lookup import asked_in, look_up
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, say_lines, show_document
from f2b_worker.cli.places import look_into, open_ip_sets, read_notes
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import counting
from f2b_worker.domain.addresses import family_of
from f2b_worker.domain.judge.enforcement import in_each, state_of
from f2b_worker.domain.judge.explanations import explain as explained
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import StartError
from f2b_worker.process.opening import (
    chosen_blocklists,
    open_acts,
    open_ban_book,
    open_countries,
    open_notebooks,
)

if TYPE_CHECKING:
    from f2b_worker.cli.lookup import Asked, Known
    from f2b_worker.cli.places import Places
    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Countries


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
    unreadable: list[Unreadable] = []
    book = open_ban_book(settings, aside=unreadable.append)
    now_ms = SystemClock().now_ms()
    known = look_up(book, jails.policy, asked, jail, unreadable, now_ms=now_ms)
    blocklists = chosen_blocklists(jails, settings)
    notes = read_notes(open_notebooks(settings, aside=unreadable.append, writing=False)) if blocklists else {}
    places = look_into(open_ip_sets(blocklists), blocklists, notes)
    acts = open_acts(settings, aside=unreadable.append)
    listed = Networks(each.network for each in counting(acts.allowlist(), now_ms))
    done = {key: tuple(acts.acts_on(key)) for key in {each.remembered.who.key for each in known}}
    answer = partial(_answer, jails, asked, places if blocklists else None, listed, _countries(), now_ms)
    answers = [answer(each, done[each.remembered.who.key]) for each in known]
    if as_json:
        show_document({"ip": address, "jails": [as_object(each) for each in answers]})
    else:
        paragraphs = [["", *as_lines(each)] for each in answers]
        say_lines([line for each in paragraphs for line in each][1:])


def _countries() -> Countries | None:
    """Open what the registries say, where it is installed: an explanation is whole without it."""
    try:
        return open_countries()
    except StartError:
        return None


def _answer(  # noqa: PLR0913, PLR0917
    jails: Jails,
    asked: Asked,
    places: Places | None,
    listed: Networks,
    countries: Countries | None,
    now_ms: int,
    known: Known,
    acts: tuple[Act, ...],
) -> Answer:
    who = known.remembered.who
    found = explained(
        known.remembered,
        jails.policy.jail(who.jail),
        asked.address,
        allowed=jails.allowed,
        now_ms=now_ms,
        listed=listed,
    )
    ban = UNREADABLE if known.is_ban_unreadable else found.ban
    by_blocklist = places.by_blocklist if places else {}
    allowed = Networks((*jails.allowed.entries, *listed.entries))
    return Answer(
        found,
        jails.policy.knows(who.jail),
        places.holders(who.key, family_of(who.key)) if places else None,
        now_ms,
        state_of(who.key, ban, by_blocklist, allowed) if ban else None,
        in_each(who.key, ban, by_blocklist, allowed) if ban and by_blocklist else {},
        known.unreadable,
        acts,
        countries.country_of(who.key) if countries else None,
    )
