"""`f2b release`: lets the surge guard's held back bans in, after somebody has looked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import insistently, new_act, reason_option
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, remark, say_lines, show_document
from f2b_worker.cli.show import moment, time_object
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.judge.enforcement import is_held_back
from f2b_worker.process.opening import open_acts, open_ban_book, open_notebooks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.errors import Unreadable


@click.command(epilog="Example: f2b release --table f2b")
@reason_option
@ledger_options("audit_days")
@json_option
def release(*, reason: str, as_json: bool, **given: Any) -> None:
    """Let in the bans that the surge guard holds back.

    Look first: f2b list shows who is banned, f2b explain says why. The command says since when bans were held back
    and how many bans are active from then on. The enforcer writes them within seconds. If no bans are held back,
    nothing happens.
    """
    settings = settings_of(given, role="release")
    unreadable: list[Unreadable] = []
    notebooks = open_notebooks(settings, aside=unreadable.append)
    now_ms = SystemClock().now_ms()
    notes = {region: notebook.read() for region, notebook in notebooks.items()}
    tripped = {region for region, each in notes.items() if each.held_back_from_ms is not None}
    lost = [region for region, each in notes.items() if each.lost & {"surge", "release"} and region not in tripped]
    book = open_ban_book(settings, aside=unreadable.append) if tripped else None
    active = [each.ban for each in book.standing()] if book else []
    regions = [*lost, *sorted(tripped)]
    if regions:
        acts = open_acts(settings)
        act = new_act(settings, Verb.RELEASE, regions, reason=reason)
        # First: a command that dies in between is run again, and nothing is released that the audit does not tell.
        insistently(lambda: acts.note(act))
    released: list[Released] = []
    for region in regions:
        from_ms = notes[region].held_back_from_ms
        # A clock that is ahead may have dated the first of them into the future.
        until_ms = now_ms if from_ms is None else max(now_ms, from_ms)
        insistently(partial(notebooks[region].note_release, until_ms))
        released.append(Released(region, from_ms, None if from_ms is None else _waiting(active, from_ms, now_ms)))
    for error in unreadable:
        remark(f"unreadable: {error}")
    if as_json:
        show_document({"released": [each.as_object() for each in released]})
    else:
        say_lines([each.as_line() for each in released] or ["no bans are held back: there is nothing to release"])


@dataclass(frozen=True, slots=True)
class Released:
    """What was released in one Region.

    Attributes:
        region: The Region.
        from_ms: Since when bans were held back; None where the note about it cannot be read.
        bans: How many of the active bans start then or later.
    """

    region: str
    from_ms: int | None
    bans: int | None

    def as_line(self) -> str:
        """Say it for people."""
        if self.from_ms is None:
            return f"{self.region}: released what is held back, if anything is: the note about it cannot be read"
        # Some may be in an IP set all the while: who was in one when the surge was noticed stayed there.
        bans = f"{self.bans} active ban{'' if self.bans == 1 else 's'}"
        return f"{self.region}: released what was held back since {moment(self.from_ms)}, {bans} from then on"

    def as_object(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"region": self.region, **time_object("held_back_from", self.from_ms), "bans": self.bans}


def _waiting(bans: Iterable[Ban], from_ms: int, now_ms: int) -> int:
    return sum(is_held_back(each, from_ms) and now_ms <= each.until_ms and not each.observed for each in bans)
