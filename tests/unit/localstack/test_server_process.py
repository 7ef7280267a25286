from __future__ import annotations

import socket

import pytest

from localstack.server_process import GIVEN, LOOPBACK, NEVER_GIVEN, free_port, never_given


@pytest.mark.parametrize("given", ["32768\t60999\n", "15000 64999", "20000 65535"])
def test_no_free_port_is_one_that_the_kernel_gives_to_a_connection_or_to_who_asks_for_any(given: str) -> None:
    first, last = map(int, given.split())
    ports = never_given(given)
    assert len(ports) >= 5_000
    assert not set(ports) & set(range(first, last + 1))


def test_where_the_kernel_gives_nearly_all_ports_a_free_one_is_among_the_usual_ones() -> None:
    assert never_given("1024 65535") == never_given("32768 60999")


def test_free_ports_are_those_of_this_machine() -> None:
    assert never_given(GIVEN.read_text("ascii")) == NEVER_GIVEN
    assert free_port() in NEVER_GIVEN


def test_no_free_port_is_told_twice_in_a_while_and_none_that_somebody_has() -> None:
    told = [free_port() for _ in range(100)]
    with socket.create_server((LOOPBACK, told[0])):
        later = {free_port() for _ in NEVER_GIVEN}

    assert len(set(told)) == 100
    assert told[0] not in later
