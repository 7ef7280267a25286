"""Turns fail2ban's `bantime.formula` into the multiples of bantime that it gives."""

from __future__ import annotations

import math

from f2b_worker.offline.fail2ban_import.arithmetic import compute

_BANS = 21  # fail2ban's own formula stops growing there
_DIGITS = 4
_MULTIPLE_MAX = 10**9  # of a second that is 30 years


def multiples_by_formula(
    formula: str, bantime_s: float, factor: float, *, longest_s: float = math.inf
) -> tuple[float, ...]:
    """Compute how many times as long as the first the n-th ban is; fail2ban never shortens one.

    Args:
        formula: As fail2ban has it.
        bantime_s: How long the first ban is.
        factor: fail2ban's `bantime.factor`.
        longest_s: No ban is longer (`bantime.maxtime`), so what follows need not be told.

    Raises:
        ValueError: If the formula is no arithmetic on `ban.Time`, `ban.Count` and `banFactor`.
    """
    multiples: list[float] = [1]
    for count in range(1, _BANS):
        names = {"ban.Time": bantime_s, "ban.Count": count, "banFactor": factor}
        multiple = max(1.0, compute(formula, names) / bantime_s)
        rounded = math.floor(multiple * 10**_DIGITS) / 10**_DIGITS
        multiples.append(int(rounded) if rounded.is_integer() else rounded)
        if multiple > _MULTIPLE_MAX or multiple * bantime_s > longest_s:
            break
    while len(multiples) > 1 and multiples[-1] == multiples[-2]:
        multiples.pop()  # later bans take the last one
    return tuple(multiples)
