"""A port is one server's alone from before it listens until the test ends."""

from __future__ import annotations

import socket

import pytest

from tests.servers.ports import SERVED, claim, port_of


def test_a_claimed_port_is_the_servers_and_no_other_claim_gets_it() -> None:
    with claim() as holder:
        port = port_of(holder)
        only = range(port, port + 1)
        with pytest.raises(OSError, match="somebody has"):
            claim(only)
        with socket.create_server((SERVED, port)):
            holder.close()
            with pytest.raises(OSError, match="somebody has"):
                claim(only)
    with claim(only) as again:
        assert port_of(again) == port
