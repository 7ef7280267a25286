"""Real clients that keep their connections, while shims stop: each report is answered, and what is told is so."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from benchmarks.rolling.servers import shims
from demo.fleet import eventually
from tests.clients.kept.programs import COMMANDS, KeptProgram, sort_out

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.rolling.servers import Servers

CLIENTS = 4
BEGINS_WITHIN_S = 120
BETWEEN_RESTARTS_S = 0.5


def stop_together(servers: Servers) -> None:
    """Stop all, so that no client has anybody to report to."""
    stopping = [threading.Thread(target=each.stop) for each in servers.servers]
    for each in stopping:
        each.start()
    for each in stopping:
        each.join()


@pytest.mark.parametrize("options", [(), ("--drain-s", "1")], ids=["at once", "drained"])
def test_a_restart_of_one_of_shims_costs_no_real_client_an_answer_and_what_it_was_told_is_so(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with shims(tmp_path, *options) as servers, ExitStack() as stack:
        urls = [f"http://127.0.0.1:{each.port}" for each in servers.servers]
        programs = {
            variant: stack.enter_context(
                KeptProgram(variant, tmp_path, urls, first=CLIENTS * place, number=CLIENTS)
            )
            for place, variant in enumerate(COMMANDS)
        }
        for variant, program in programs.items():
            eventually(lambda each=program: each.so_far() > 4 * CLIENTS, f"{variant} reports", BEGINS_WITHIN_S)  # type: ignore[misc]
        list(servers.restart_in_turn(BETWEEN_RESTARTS_S))
        stop_together(servers)
        stored = servers.stored()
        found = {variant: sort_out(program.reports(), stored) for variant, program in programs.items()}

    for variant, of_it in found.items():
        assert (variant, *of_it[1:]) == (variant, [], [], [], [])
