"""Whom a webhook may reach: nobody inside, whatever a name server says.

A name may stand for one address when it is checked, and for another when it is connected to. So a name is looked
up once, what it stands for is checked, and that very address is connected to; what the socket says is checked too.
"""

from __future__ import annotations

import socket
import time
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import is_loopback
from f2b_worker.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = IPv4Address | IPv6Address

METADATA = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::/32",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "168.63.129.16/32",
        ),
    )
)
"""Where clouds hand out credentials, and link-local addresses: nobody waits there for notices, ever."""

_NAT64 = IPv6Network("64:ff9b::/96")
_ONE_ADDRESS_S = 4.0


class Reach:
    """Decides which addresses of a host may be connected to, and connects.

    Args:
        host: As the URL has it.
        allow_private: Whether addresses inside are allowed.
    """

    def __init__(self, host: str, *, allow_private: bool) -> None:
        self._is_own_machine = is_loopback(host)
        self._allow_private = allow_private

    def allows(self, address: Address) -> bool:
        """Tell whether an address may be connected to."""
        return all(map(self._allows, _meant_by(address)))

    def connect(self, host: str, port: int, within_s: float) -> socket.socket:
        """Connect to the first address of a host that may be, and answers.

        Raises:
            Rejected: If none may be.
            OSError: If none answers.
        """
        ends_s = time.monotonic() + within_s
        last: OSError | None = None
        allowed = list(self._allowed(host, port))
        if not allowed:
            raise Rejected(
                f"webhook at {host}: stands for an address inside, or of this machine;"
                " if that is right, write allow_private = true"
            )
        for family, place in allowed:
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                break
            try:
                return self._connected(family, place, min(left_s, _ONE_ADDRESS_S), within_s)
            except OSError as error:
                last = error
        raise last or TimeoutError("no answer in time")

    def _allowed(self, host: str, port: int) -> Iterator[tuple[int, Any]]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"webhook at {host}: the name cannot be looked up: {error}") from None
        for family, _, _, _, place in found:
            if self.allows(_as_address(str(place[0]))):
                yield family, place

    def _connected(self, family: int, place: Any, within_s: float, timeout_s: float) -> socket.socket:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(within_s)
            made.connect(place)
            if not self.allows(_as_address(made.getpeername()[0])):
                raise OSError("the address is not one that was checked")  # noqa: TRY301
            made.settimeout(timeout_s)
        except BaseException:
            made.close()
            raise
        return made

    def _allows(self, address: Address) -> bool:
        is_nobodys = address.is_multicast or address.is_unspecified
        if is_nobodys or any(address in network for network in METADATA):
            return False
        if address.is_loopback:
            return self._is_own_machine or self._allow_private
        if self._is_own_machine:
            return False  # somebody gave the name of this machine to another
        # Site-local addresses were given up in 2004: for Python they are the internet's. Networks have them still.
        is_outside = address.is_global and not (isinstance(address, IPv6Address) and address.is_site_local)
        return not address.is_reserved and (is_outside or self._allow_private)


def _as_address(text: str) -> Address:
    return ip_address(text.partition("%")[0])


def _meant_by(address: Address) -> list[Address]:
    """List an address, and the IPv4 address that is written in it: routers and kernels lead it there."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    inside = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [address, *filter(None, inside)]
