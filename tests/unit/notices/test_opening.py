"""What notices look at: the whole fleet, also from a worker that has only a part in it."""

from __future__ import annotations

from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.noted_sets import NotedSets
from f2b_worker.domain.notices.kinds import ENFORCER_LOST
from f2b_worker.notices.conditions import Conditions
from f2b_worker.notices.opening import FleetWatch, _Parts
from f2b_worker.ports import Holder
from f2b_worker.testing import FakeClock, MemoryActs, MemoryLedger, MemoryNotebook

REGION = "eu-west-1"


def test_a_worker_that_only_judges_tells_when_the_enforcers_are_lost_and_of_none_where_none_ever_was() -> None:
    clock, notebook = FakeClock(), MemoryNotebook()
    watch = FleetWatch(WorkerSettings(queue="q", table="t"), read_jails(None))
    acts = MemoryActs(MemoryLedger(clock))
    watch._parts = _Parts({REGION: notebook}, acts, (), lambda _: Holder(), lambda: None)
    conditions = Conditions(watch.look, clock)
    conditions.tick()
    assert conditions.seen
    assert not conditions.seen.texts
    notebook.note_sets(NotedSets(clock.now_ms(), clock.now_ms(), ()))
    conditions.tick()
    assert "nobody enforces in eu-west-1" in conditions.seen.texts[f"{ENFORCER_LOST} {REGION}"]
