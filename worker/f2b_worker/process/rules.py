"""What the loops of one process go by: the jails of its file, and what people ask of all workers meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.acts.allowlist import counting
from f2b_worker.domain.acts.control import Control
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.acts.allowlist import AllowEntry
    from f2b_worker.domain.jails import Policy
    from f2b_worker.enforcer import Enforcer
    from f2b_worker.ports import Clock, StandingOrders

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 0.25
"""So often it is looked whether the ledger was heard to tell of other orders, which costs no call."""


class Rules:
    """The jails of the file, together with the allowlist that is kept beside the bans, and the control.

    Args:
        jails: What the file says.
        orders: What people ask of all workers.
        clock: Ends entries of the allowlist.

    Attributes:
        control: What was asked of all workers when that was last read.
        followed: The generation whose call to read the file again was followed; see `Control`.
    """

    def __init__(self, jails: Jails, orders: StandingOrders, clock: Clock) -> None:
        self.control = Control()
        self._jails = jails
        self._orders = orders
        self._clock = clock
        self._mark: int | None = None
        self._entries: Sequence[AllowEntry] = ()
        self._added: tuple[str, ...] = ()
        self._settled: tuple[tuple[str, ...], Control] = (), self.control
        self._handing_over = threading.Lock()
        self.followed = 0

    @property
    def policy(self) -> Policy:
        """Whom to judge, and how."""
        policy = self._jails.policy
        return replace(policy, allowed=Networks(self._added)) if self._added else policy

    @property
    def policy_of_file(self) -> Policy:
        """How long bans last, by the file alone. It costs nothing to ask for, where `policy` is made anew."""
        return self._jails.policy

    @property
    def allowed(self) -> Networks:
        """Whom no IP set may hit."""
        return self._with_added(self._jails.allowed)

    @property
    def apart(self) -> Networks:
        """Whom no collapsed network may hit."""
        return self._with_added(self._jails.apart)

    def _with_added(self, networks: Networks) -> Networks:
        return Networks([*networks.entries, *self._added]) if self._added else networks

    def use_file(self, jails: Jails, generation: int) -> None:
        """Go by another file, which was read after it was asked for so often to read it again."""
        self._jails = jails
        self.followed = generation

    def read(self) -> None:
        """Read what people ask, if that may have changed.

        Raises:
            F2bError: If it cannot be read; what was known before still holds.
        """
        mark = self._orders.mark()
        if mark != self._mark:
            entries, control = self._orders.allowlist(), self._orders.control()
            # The mark was read first: what changes from then on has another one.
            self._mark, self._entries, self.control = mark, entries, control

    def settle(self) -> bool:
        """Go by what was read, and by the time; tell whether anything is otherwise than before."""
        before = self._settled
        added = tuple(entry.network for entry in counting(self._entries, self._clock.now_ms()))
        self._settled = added, self.control
        self._added = added
        return self._settled != before

    def hand_over(self, use: Callable[[Policy], None], enforcers: Sequence[Enforcer]) -> None:
        """Have the loops go by these, *use* by the jails; may be called by several threads at once."""
        with self._handing_over:
            use(self.policy)
            for enforcer in enforcers:
                enforcer.allow(self.allowed, self.apart)
                enforcer.obey(self.control)


def follow_orders(
    rules: Rules,
    hand_over: Callable[[], None],
    reload: Callable[[], None],
    clock: Clock,
    stop: threading.Event,
) -> None:
    """Follow what people ask of all workers, until *stop*.

    What cannot be read is told once, and tried again; what was known before holds until then.

    Args:
        rules: Reads it.
        hand_over: Has the loops go by it.
        reload: Has the file read again: somebody asked for that.
        clock: Tells when to look.
        stop: Ends it.
    """
    is_failing = False
    generation = rules.control.generation
    while not clock.wait(stop, EVERY_S):
        try:
            rules.read()
        except F2bError as error:
            if not is_failing:
                log.warning("orders_not_heard", reason=str(error))
            is_failing = True
        else:
            is_failing = False
        if rules.settle():
            hand_over()
        if rules.control.generation != generation:
            generation = rules.control.generation
            reload()
