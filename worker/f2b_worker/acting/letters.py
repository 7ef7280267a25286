"""Dead letters, put back or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.acting.acts import Tell, insistently, new_act, tell_nobody
from f2b_worker.domain.acts.act import Verb
from f2b_worker.process.opening import open_acts, open_dead_letters
from f2b_worker.query.letters import has_reason
from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.ports import StoredLetter

ALL = 1_000_000
"""So many letters are looked at, at most."""


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


def retry(
    settings: OperatorSettings, which: Letters, *, by: str | None = None, tell: Tell = tell_nobody
) -> Sequence[StoredLetter]:
    """Put dead letters back into the queue; answer those that were.

    Args:
        settings: They say where queue and ledger are.
        which: Which.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`.

    Raises:
        WrongSetting: See `Letters.check_retry`.
        F2bError: If it cannot be done.
    """
    which.check_retry()
    return _take(settings, which, by, tell, is_retry=True)


def drop(
    settings: OperatorSettings, which: Letters, *, by: str | None = None, tell: Tell = tell_nobody
) -> Sequence[StoredLetter]:
    """Delete dead letters for good; answer those that were.

    Args:
        settings: They say where queue and ledger are.
        which: Which.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`.

    Raises:
        WrongSetting: See `Letters.check_drop`.
        F2bError: If it cannot be done.
    """
    which.check_drop()
    return _take(settings, which, by, tell, is_retry=False)


def _take(
    settings: OperatorSettings, which: Letters, by: str | None, tell: Tell, *, is_retry: bool
) -> Sequence[StoredLetter]:
    dead, acts = open_dead_letters(settings), open_acts(settings)
    chosen = [each.id for each in dead.letters(ALL) if which.takes(each)]
    if not chosen:
        return ()
    act = new_act(settings, Verb.RETRY if is_retry else Verb.DROP, chosen, by=by, tell=tell)
    # First: whatever becomes of this command, nothing leaves that the audit does not tell.
    insistently(lambda: acts.note(act))
    of_act = frozenset(chosen)
    return dead.take(lambda each: each.id in of_act, retry=is_retry)
