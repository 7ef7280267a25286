"""The bans that the surge guard holds back, let in by somebody who has looked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from f2b_worker.acting.acts import Tell, insistently, new_act, tell_nobody
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.judge.enforcement import is_held_back
from f2b_worker.process.opening import open_acts, open_ban_book, open_notebooks
from f2b_worker.query.wording import moment, time_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Notes


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


def release(
    settings: OperatorSettings, *, reason: str = "", by: str | None = None, tell: Tell = tell_nobody
) -> Sequence[Released]:
    """Let in what is held back, in each Region; nothing happens where nothing is.

    Args:
        settings: They say where the ledger is.
        reason: Why.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`; told also of each item that cannot be read, at the end.

    Raises:
        WrongSetting: If the reason cannot be.
        F2bError: If it cannot be done.
    """
    unreadable: list[Unreadable] = []
    notebooks = open_notebooks(settings, aside=unreadable.append)
    now_ms = SystemClock().now_ms()
    notes = {region: notebook.read() for region, notebook in notebooks.items()}
    regions = list(_regions(notes))
    is_tripped = any(each.held_back_from_ms is not None for each in notes.values())
    book = open_ban_book(settings, aside=unreadable.append) if is_tripped else None
    active = [each.ban for each in book.standing()] if book else []
    if regions:
        acts = open_acts(settings)
        act = new_act(settings, Verb.RELEASE, regions, reason=reason, by=by, tell=tell)
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
        tell(f"unreadable: {error}")
    return released


def _regions(notes: Mapping[str, Notes]) -> Iterator[str]:
    """Name the Regions where bans are held back, after those where nobody can tell."""
    tripped = {region for region, each in notes.items() if each.held_back_from_ms is not None}
    yield from (
        region for region, each in notes.items() if each.lost & {"surge", "release"} and region not in tripped
    )
    yield from sorted(tripped)


def _waiting(bans: Iterable[Ban], from_ms: int, now_ms: int) -> int:
    return sum(is_held_back(each, from_ms) and now_ms <= each.until_ms and not each.observed for each in bans)
