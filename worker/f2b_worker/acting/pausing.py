"""What all workers obey, as somebody changes it: pauses, and calls to read the file again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.acting.acts import Tell, end_of, for_how_long, insistently, new_act, tell_nobody
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.errors import F2bError
from f2b_worker.process.opening import open_acts
from f2b_worker.query.blocklists import checked_blocklists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.ports import Acts


class Paused(NamedTuple):
    """A pause that began: as what the audit remembers it, and its end; None: until somebody resumes."""

    act: Act
    until_ms: int | None


class Resumed(NamedTuple):
    """A pause that is ended.

    Attributes:
        act: As what the audit remembers it.
        was_there: Whether there was one.
        still_paused: What is paused by another pause still.
    """

    act: Act
    was_there: bool
    still_paused: Sequence[str]


class Reloaded(NamedTuple):
    """A call for a reload: as what the audit remembers it, and the generation that all workers come to."""

    act: Act
    generation: int


def pause(  # noqa: PLR0913 - where, what, who, and how it is told
    settings: OperatorSettings,
    blocklist: str = EVERY_BLOCKLIST,
    *,
    for_ms: int | None = None,
    reason: str = "",
    by: str | None = None,
    tell: Tell = tell_nobody,
) -> Paused:
    """Leave the IP sets of a blocklist as they are, for a time.

    Args:
        settings: They say where the ledger is, and the file with the blocklists.
        blocklist: Its name, or `EVERY_BLOCKLIST`.
        for_ms: For how long; None: until somebody resumes.
        reason: Why.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`.

    Raises:
        WrongSetting: If there is no such blocklist, or the reason cannot be.
        F2bError: If it cannot be done.
    """
    if blocklist != EVERY_BLOCKLIST:
        checked_blocklists(read_jails(settings.config), [blocklist])
    acts = open_acts(settings)
    how = "until somebody resumes" if for_ms is None else for_how_long(for_ms)
    act = new_act(settings, Verb.PAUSE, [blocklist], reason=reason, how=how, by=by, tell=tell)
    until_ms = end_of(act, for_ms)
    insistently(lambda: acts.pause(act, blocklist, until_ms))
    return Paused(act, until_ms)


def resume(
    settings: OperatorSettings,
    blocklist: str = EVERY_BLOCKLIST,
    *,
    reason: str = "",
    by: str | None = None,
    tell: Tell = tell_nobody,
) -> Resumed:
    """End the pause of a blocklist.

    Args:
        settings: They say where the ledger is.
        blocklist: Its name, or `EVERY_BLOCKLIST`: these are two pauses.
        reason: Why.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`; told also if nobody knows what is paused still.

    Raises:
        WrongSetting: If the reason cannot be.
        F2bError: If it cannot be done.
    """
    acts = open_acts(settings)
    act = new_act(settings, Verb.RESUME, [blocklist], reason=reason, by=by, tell=tell)
    was_there = insistently(lambda: acts.resume(act, blocklist))
    return Resumed(act, was_there, _paused_still(acts, tell))


def _paused_still(acts: Acts, tell: Tell) -> list[str]:
    now_ms = SystemClock().now_ms()
    try:
        pauses = insistently(acts.control).pauses
    except F2bError as error:  # what was asked for is done
        tell(f"whether anything is still paused is not known: {error}")
        return []
    return [name for name, pause in pauses.items() if pause.counts_at(now_ms)]


def reload(
    settings: OperatorSettings, *, reason: str = "", by: str | None = None, tell: Tell = tell_nobody
) -> Reloaded:
    """Ask all workers to read their jails files again.

    Args:
        settings: They say where the ledger is.
        reason: Why.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`.

    Raises:
        WrongSetting: If the reason cannot be.
        F2bError: If it cannot be done.
    """
    acts = open_acts(settings)
    act = new_act(settings, Verb.RELOAD, [], reason=reason, by=by, tell=tell)
    return Reloaded(act, insistently(lambda: acts.reload(act)))
