"""Clients in many languages report in all their ways, at the shim's own port and through proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.connections import connections_of
from tests.acceptance.doors import DOORS, TLS_DOORS, TOKEN, Doors, opened
from tests.clients.programs import PROGRAMS, Program, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localstack.local_aws import LocalAws


@pytest.fixture(scope="module")
def doors(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with opened(local_aws, "200000000021", tmp_path_factory.mktemp("doors")) as doors:
        yield doors


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
@pytest.mark.parametrize("door", DOORS)
def test_a_client_reads_every_answer_and_what_it_was_told_is_stored(
    doors: Doors, built: Path, program: Program, door: str
) -> None:
    assert "\n".join(faults(doors, built, program, door)) == ""


@pytest.mark.parametrize("name", ["curl", "java", "python", "node", "go"])
@pytest.mark.parametrize("door", TLS_DOORS)
def test_the_tls_of_the_docs_changes_nothing_for_clients(doors: Doors, built: Path, name: str, door: str) -> None:
    (program,) = (each for each in PROGRAMS if each.name == name)
    assert "\n".join(faults(doors, built, program, door)) == ""


def faults(doors: Doors, built: Path, program: Program, door: str) -> list[str]:
    """Let a client report, and find what it was told wrongly, or what is not stored as it was told."""
    way, name = doors.door(door), f"{door}.{program.name}"
    environment = doors.certificate.environment if door in TLS_DOORS else {}
    port = int(way.url.rpartition(":")[2])
    open_before = connections_of(port)
    told = run(program, built, way.url, way.limited_url, TOKEN, name, environment=environment)
    opened_now = len(connections_of(port) - open_before)
    stored, due = doors.stored(name), told.stored(name)
    lost, too_many = due - stored, stored - due
    # A proxy decides about the connections of its clients itself.
    left = door == "direct" and 0 < program.connections < opened_now
    return [
        *told.wrong(program),
        *(f"lost: {each}" for each in lost),
        *(f"not told: {each}" for each in too_many),
        *([f"{opened_now} connections for {len(told.answers)} requests"] if left else []),
    ]
