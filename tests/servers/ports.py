"""Ports that no two servers of these tests get, however many are started at once, by whomever."""

from __future__ import annotations

import random
import socket

SERVED, HELD = "127.0.0.1", "127.0.0.2"
PORTS = range(20_000, 32_000)  # below those that Linux gives to clients (net.ipv4.ip_local_port_range)


def claim(ports: range = PORTS) -> socket.socket:
    """Find a port of 127.0.0.1 that nobody has, and return what keeps others from claiming it until it is closed.

    It is bound at another address of loopback, so that the server can have the port.
    """
    for port in random.sample(ports, len(ports)):
        holder = socket.socket()
        try:
            holder.bind((HELD, port))
            with socket.socket() as probe:
                probe.bind((SERVED, port))
        except OSError:
            holder.close()
        else:
            return holder
    raise OSError("somebody has each of these ports")


def port_of(holder: socket.socket) -> int:
    """Return the port that was claimed."""
    port: int = holder.getsockname()[1]
    return port
