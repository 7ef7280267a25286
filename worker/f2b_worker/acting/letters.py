"""Dead letters, put back or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.acting.acts import Tell, insistently, new_act, tell_nobody
from f2b_worker.domain.acts.act import Verb
from f2b_worker.process.opening import open_acts, open_dead_letters
from f2b_worker.query.letters import has_reason
from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.ports import StoredLetter

ALL = 1_000_000
"""So many letters are looked at, at most."""

LOOKED_AT = 1_000
"""So many are looked at where only some are taken: within a request, also from a machine far from AWS."""

HIDDEN = "somebody else looks at it just now: try again in two minutes"
"""What may have become of a letter that is not found: it is hidden for `HIDDEN_S`, if who looked at it died."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Which dead letters somebody means: by exactly one of the first three.

    Attributes:
        ids: These.
        reason: All that have this reason.
        every: All.
        yes: Whether somebody said that many may be hit, or that it is for good.
    """

    ids: Sequence[str] = ()
    reason: str | None = None
    every: bool = False
    yes: bool = False

    def takes(self, letter: StoredLetter) -> bool:
        """Tell whether one is meant."""
        return letter.id in self.ids if self.ids else has_reason(letter, self.reason)

    @property
    def how(self) -> str:
        """How they were chosen, as the audit has it; nothing of those that are named."""
        return "all" if self.every else f"with the reason {self.reason}" if self.reason else ""

    def check_retry(self) -> None:
        """See that these may be put back.

        Raises:
            WrongSetting: If it is not clear which, or several may be hit and nobody said yes.
        """
        self._check_which()
        if not self.yes and not self.ids:
            raise WrongSetting("that may be many: say --yes")

    def check_drop(self) -> None:
        """See that these may be dropped.

        Raises:
            WrongSetting: If it is not clear which, or nobody said yes.
        """
        self._check_which()
        if not self.yes:
            raise WrongSetting("that is for good: say --yes")

    def _check_which(self) -> None:
        if sum(map(bool, (self.ids, self.reason, self.every))) != 1:
            raise WrongSetting("say which: by their IDs, by --reason, or --all")


class Taken(NamedTuple):
    """What was put back or dropped.

    Attributes:
        letters: It.
        is_all: Whether there is no more that somebody meant; true where letters are named by their IDs.
    """

    letters: Sequence[StoredLetter]
    is_all: bool = True


def retry(
    settings: OperatorSettings,
    which: Letters,
    *,
    by: str | None = None,
    tell: Tell = tell_nobody,
    most: int | None = None,
) -> Taken:
    """Put dead letters back into the queue; answer those that were.

    Args:
        settings: They say where queue and ledger are.
        which: Which.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`.
        most: So many at most, in the time of a request; None: all that are there now, which may take minutes.

    Raises:
        WrongSetting: See `Letters.check_retry`.
        F2bError: If it cannot be done.
    """
    which.check_retry()
    return _take(settings, which, Verb.RETRY, by, tell, most)


def drop(
    settings: OperatorSettings,
    which: Letters,
    *,
    by: str | None = None,
    tell: Tell = tell_nobody,
    most: int | None = None,
) -> Taken:
    """Delete dead letters for good; answer those that were.

    Args:
        settings: They say where queue and ledger are.
        which: Which.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`.
        most: See `retry`.

    Raises:
        WrongSetting: See `Letters.check_drop`.
        F2bError: If it cannot be done.
    """
    which.check_drop()
    return _take(settings, which, Verb.DROP, by, tell, most)


def _take(  # noqa: PLR0913, PLR0917 - where, what, who, and how many
    settings: OperatorSettings, which: Letters, verb: Verb, by: str | None, tell: Tell, most: int | None
) -> Taken:
    dead, acts = open_dead_letters(settings), open_acts(settings)
    take = partial(dead.take, retry=verb == Verb.RETRY)

    def note(ids: Sequence[str]) -> None:
        # First: whatever becomes of this command, nothing leaves that the audit does not tell.
        act = new_act(settings, verb, ids, how=which.how, by=by, tell=tell)
        insistently(lambda: acts.note(act))

    if most is not None:
        return _take_some(take, which, note, most)
    chosen = [each.id for each in dead.letters(ALL) if which.takes(each)]
    if not chosen:
        return Taken(())
    note(chosen)
    # What is put back may be refused again, and be there again, while this runs: only what was there is meant.
    of_act = frozenset(chosen)
    return Taken(take(lambda each: each.id in of_act, _note_nothing, most=len(chosen), limit=ALL))


def _take_some(
    take: Callable[..., Sequence[StoredLetter]],
    which: Letters,
    note: Callable[[Sequence[str]], None],
    most: int,
) -> Taken:
    looked_at = 0

    def is_meant(letter: StoredLetter) -> bool:
        nonlocal looked_at
        looked_at += 1
        return which.takes(letter)

    most = min(most, len(which.ids) or most)
    taken = take(is_meant, lambda part: note([each.id for each in part]), most=most, limit=LOOKED_AT)
    return Taken(taken, bool(which.ids) or (len(taken) < most and looked_at < LOOKED_AT))


def _note_nothing(_letters: Sequence[StoredLetter]) -> None:
    """It is noted."""
