"""The fast half of the matrix of real servers; `make test-servers` plays all of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.servers.events import EVENTS, Play, events_of
from tests.servers.rows import FAST, SERVERS, server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("name", "event"), FAST, ids=[f"{name}-{event}" for name, event in FAST])
def test_what_an_application_reported_arrives_or_is_told(name: str, event: str, tmp_path: Path) -> None:
    log, played = tmp_path / "log", server(name)
    if played.missing and not os.environ.get("CI"):
        pytest.skip(played.missing)
    try:
        outcome = Play(played, event, log).run()
    finally:
        print(log.read_text("utf-8", errors="replace") if log.exists() else "")  # noqa: T201 - pytest shows it where the test fails

    assert outcome.wrong == []


def test_every_event_is_among_those_of_make_test() -> None:
    assert {event for _, event in FAST} == EVENTS.keys()
    assert [(name, event) for name, event in FAST if event not in events_of(server(name))] == []


def test_no_two_servers_have_one_name() -> None:
    names = [each.name for each in SERVERS]
    assert sorted(set(names)) == sorted(names)
