"""New jails: everything that follows from them changes between two turns of the intake, and at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.jails import DAY_MS, Jail, Policy, Window
from f2b_worker.domain.judge.retention import kept_ms
from tests.unit.intake.scene import FORTNIGHT_MS, GOOD_IP, OTHER_IP, Ledger, Scene, body, who

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.domain.judge.verdicts import Hit, OffenderId
    from f2b_worker.ports import Answers

STRICT = Policy(Jail(windows=(Window(maxretry=1, findtime_ms=DAY_MS),), forget_ms=300 * DAY_MS))


class LedgerThatIsSlow(Ledger):
    """Lets somebody act while infractions are recorded."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        answers = super().record(hits)
        self.meanwhile()
        return answers


def test_jails_that_come_during_a_turn_count_from_the_next_one_on() -> None:
    scene = Scene()
    scene.ledger = ledger = LedgerThatIsSlow()
    scene.worker = scene.intake()
    ledger.meanwhile = lambda: scene.worker.use(STRICT)

    (message_id,) = [scene.inbox.put(body(GOOD_IP, count=1))]
    scene.worker.turn(scene.inbox.receive(wait_s=0), scene.stop)
    assert ledger.banned() == {}
    assert message_id not in scene.inbox.left

    scene.work(body(OTHER_IP, count=1))
    assert set(ledger.banned()) == {who(OTHER_IP)}


def test_a_reload_changes_how_long_the_ledger_remembers_offenders() -> None:
    scene = Scene()
    scene.work(body(GOOD_IP, count=1))
    assert scene.ledger.kept_ms is None  # as it was opened

    scene.worker.use(STRICT)
    scene.work(body(GOOD_IP, count=1))
    assert scene.ledger.kept_ms == kept_ms(STRICT, FORTNIGHT_MS) == 600 * DAY_MS


def test_an_infraction_of_a_jail_that_a_reload_brought_is_judged_by_it() -> None:
    scene = Scene()
    scene.worker.use(Policy(jails={"login": STRICT.defaults}))
    scene.work(body(GOOD_IP, count=1, jail="login"))
    assert set(scene.ledger.banned()) == {who(GOOD_IP)._replace(jail="login")}
