"""docs/log-events.md has every event that the code may log, with what it means; nothing else has a meaning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from f2b_worker.cli.log_calls import Logged, UnclearError, events_in, events_of
from f2b_worker.cli.log_meanings import MEANINGS
from f2b_worker.cli.log_page import events, lines
from f2b_worker.cli.producer_lines import PRODUCER

CODE = Path(__file__).resolve().parents[3] / "worker/f2b_worker"
KNOWN = [name for meanings in MEANINGS.values() for name in meanings]


def test_every_event_has_a_meaning_and_every_meaning_an_event() -> None:
    assert sorted(KNOWN) == sorted(events())


def test_every_line_of_the_producer_has_a_meaning_and_every_meaning_a_line() -> None:
    assert sorted(PRODUCER) == sorted(lines())


def test_no_place_that_logs_is_overlooked() -> None:
    """By a reading of the source that knows nothing of syntax."""
    form = r"""(?:\blog|\b_log|larms)\.(?:debug|info|warning|error|exception|ring)\(\s*"(\w+)\""""
    read = [name for path in CODE.rglob("*.py") for name in re.findall(form, path.read_text("utf-8"))]

    assert len(read) > 70
    assert set(read) - {each.name for each in events_in(CODE)} == set()


def test_a_level_and_all_keys_of_an_event_are_found() -> None:
    source = """
def turn(self, **more):
    where = {"queue": 1} if self else {"state": 2}
    log.info("one", a=1, **where)
    self._alarms.ring("two", "b", c=3)
    self._log.exception("three", **({"d": 4} if self else {"exc_info": 5}))
    log.debug("four", **more)

turn(e=6)
"""
    assert events_of(source) == [
        Logged("one", "info", ("a", "queue", "state")),
        Logged("two", "error", ("about", "c")),
        Logged("three", "error", ("d", "exception")),
        Logged("four", "debug", ("e",)),
    ]


def test_an_event_that_is_one_of_two_is_found_as_both() -> None:
    source = """
def tell(x):
    event = "one" if x else "two"
    log.info(event)
    log.info("three" if x else event)
"""

    assert [each.name for each in events_of(source)] == ["one", "two", "three", "one", "two"]


def test_an_event_that_the_caller_gives_is_found_where_it_is_given() -> None:
    assert events_of("def ring(event):\n    log.error(event)") == []


@pytest.mark.parametrize("event", ['f"lost_{x}"', "NAMES[x]", "other"])
def test_an_event_that_nobody_can_read_from_the_source_is_an_error(event: str) -> None:
    with pytest.raises(UnclearError, match=r"rules\.py:2: log a literal"):
        events_of(f"def tell(x):\n    log.info({event})", "rules.py")


def test_the_messages_of_other_libraries_are_no_events() -> None:
    assert events_of('math.log("x")\nconsole.print("y")\nresult.info("z")') == []
