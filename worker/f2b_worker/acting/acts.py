"""What all that people do has in common: the act that remembers who did it, and patience."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.acts.act import TEXT_MAX, Act, Verb
from f2b_worker.domain.backoff import backoff_s
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.errors import F2bError, Invalid, Retryable
from f2b_worker.process.opening import local_name, who_acts
from f2b_worker.query.wording import duration
from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.judge.verdicts import OffenderId

T = TypeVar("T")

Tell: TypeAlias = "Callable[[str], object]"
"""Told in one line what somebody should know besides."""

TRIES = 8
"""So often something is tried before it is said that it failed: for 15 s."""


def tell_nobody(_line: str) -> None:
    """Keep it."""


def new_act(  # noqa: PLR0913 - one for each attribute
    settings: OperatorSettings,
    verb: Verb,
    what: Sequence[str],
    *,
    jail: str = "",
    reason: str = "",
    count: int = 0,
    how: str = "",
    by: str | None = None,
    tell: Tell = tell_nobody,
) -> Act:
    """Begin an act, now; who is meant in several jails is named once.

    Args:
        settings: They say whose credentials act.
        verb: What is done.
        what: To whom; see `Act.what`.
        jail: In which jail, if it is one.
        reason: Why.
        count: To how many, if *what* does not name them all.
        how: See `Act.how`; what is too long is cut.
        by: Who acts; None: whoever runs this process.
        tell: Told in one line if AWS does not say who that is.

    Raises:
        WrongSetting: If a text is too long, or none.
    """
    named = tuple(dict.fromkeys(what))
    by = by or actor(settings, tell)  # AWS may take its time to say that
    try:
        return Act(
            id=secrets.token_hex(8),
            at_ms=SystemClock().now_ms(),
            by=by,
            verb=verb,
            what=named,
            jail=jail,
            reason=reason,
            count=count or len(named),
            how=how[:TEXT_MAX],
        ).shortened()
    except ValueError as error:
        raise WrongSetting(str(error)) from error


def end_of(act: Act, for_ms: int | None) -> int | None:
    """Tell when what an act begins for so long ends; None for ever."""
    return None if for_ms is None or act.at_ms + for_ms >= FOREVER_MS else act.at_ms + for_ms


def for_how_long(for_ms: int | None) -> str:
    """Write for how long something is to last, as the audit has it; None for ever."""
    return "for ever" if for_ms is None or for_ms >= FOREVER_MS else f"for {duration(for_ms)}"


def actor(settings: OperatorSettings, tell: Tell) -> str:
    """Name who runs this process: as AWS does, or, where it does not say, by user and machine.

    Args:
        settings: They say whose credentials act.
        tell: Told in one line if AWS does not say.
    """
    try:
        return who_acts(settings)
    except F2bError as error:
        name = local_name()
        tell(f"the audit will have {name}: {error}")
        return name


def insistently(do: Callable[[], T]) -> T:
    """Do something that may be done again, until it succeeds or was tried often enough."""
    for failures in range(TRIES - 1):
        try:
            return do()
        except Retryable:
            SystemClock().wait(threading.Event(), backoff_s(failures))
    return do()


def for_each(
    do: Callable[[Sequence[OffenderId]], Mapping[OffenderId, T | F2bError]], whom: Sequence[OffenderId]
) -> dict[OffenderId, T | F2bError]:
    """Do something for each of *whom*, again for those for whom it failed and may succeed."""
    answers: dict[OffenderId, T | F2bError] = {}
    left = list(whom)
    if not left:  # an act on nobody would be remembered
        return answers
    for failures in range(TRIES):
        answers.update(insistently(_call(do, left)))
        left = [who for who in left if isinstance(answers[who], Retryable)]
        if not left or failures == TRIES - 1:
            break
        SystemClock().wait(threading.Event(), backoff_s(failures))
    return answers


def fail_if_all_failed(answers: Collection[object]) -> None:
    """Say that it cannot be done, where it failed for all and not for what is wrong with any of them.

    Raises:
        F2bError: The first of the failures.
    """
    errors = [each for each in answers if isinstance(each, F2bError) and not isinstance(each, Invalid)]
    if errors and len(errors) == len(answers):
        raise errors[0]


def _call(
    do: Callable[[Sequence[OffenderId]], Mapping[OffenderId, T | F2bError]], whom: Sequence[OffenderId]
) -> Callable[[], Mapping[OffenderId, T | F2bError]]:
    return lambda: do(whom)
