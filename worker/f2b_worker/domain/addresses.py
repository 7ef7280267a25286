"""From the text of an address to the key that is judged and banned.

A key is a canonical CIDR, exactly as an IP set holds it: `203.0.113.7/32`, `2001:db8::/64`.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

IPV4_BITS = 32
IPV6_BITS = 128
BITS = {4: IPV4_BITS, 6: IPV6_BITS}
"""Of an address, by its family."""

PORT_MAX = 65_535
_PORT_MAX_DIGITS = 5
BOM = "\ufeff"
"""The mark with which editors and shells of some systems begin a text."""

BOM_BYTES = BOM.encode()

USUAL_IPV6_PREFIX = 64
"""What one customer has in nearly all of IPv6."""

_IPV4_INSIDE = frozenset(
    {
        0xFFFF,  # ::ffff:0:0/96, IPv4-mapped (RFC 4291, 2.5.5.2)
        0xFFFF_0000,  # ::ffff:0:0:0/96, IPv4-translated (RFC 2765, 2.1)
        0,  # ::/96, IPv4-compatible (RFC 4291, 2.5.5.1), but for :: and ::1
    }
)
"""The first 96 bits of addresses that are another way to write an IPv4 address: no packet carries them."""


class _Shared(NamedTuple):
    """A range in which a /64 is not one customer: its length, its first bits, and the length of one customer."""

    bits: int
    number: int
    customer: int


_SHARED = {  # by the first 16 bits; docs/verdicts.md has the reasons
    0x0064: (
        _Shared(96, 0x0064_FF9B << 64, 128),
        _Shared(48, 0x0064_FF9B_0001, 128),
    ),  # NAT64 (RFC 6052, RFC 8215)
    0x2001: (_Shared(32, 0x2001_0000, 128),),  # Teredo (RFC 4380)
    0x2002: (_Shared(16, 0x2002, 48),),  # 6to4 (RFC 3056)
}


class Address(NamedTuple):
    """One address: its family, 4 or 6, and its value as an integer."""

    family: int
    value: int


class Span(NamedTuple):
    """A network as its family and its first and last address."""

    family: int
    low: int
    high: int


def parse_address(text: str) -> Address:
    """Read one address as people and proxies write it: see `plain_address` for what may stand around it.

    An IPv4-mapped, -compatible or -translated IPv6 address is the IPv4 address that it carries.

    Raises:
        ValueError: With a reason, if *text* is anything but exactly one address: a name, a range, a zone,
            a leading zero.
    """
    try:
        if ":" not in text:
            return Address(4, int.from_bytes(inet_pton(AF_INET, text)))
        value = int.from_bytes(inet_pton(AF_INET6, text))
    except (OSError, ValueError):  # ValueError: a NUL inside
        return parse_address(plain_address(text))
    if value >> IPV4_BITS in _IPV4_INSIDE and value > 1:
        return Address(4, value & 0xFFFFFFFF)
    return Address(6, value)


def plain_address(text: str) -> str:
    """Return the address in *text* without what may stand around it: white space, a BOM, brackets, a port.

    The producer's `_address.py` reads the same, and tests/spellings.py holds both to one table: neither package
    can import the other.

    Raises:
        ValueError: With a reason, if it holds anything but exactly one address.
    """
    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        bare = _bare(text)
    else:
        return text
    try:
        inet_pton(AF_INET6 if ":" in bare else AF_INET, bare)
    except (OSError, ValueError):
        raise ValueError(_what_is_wrong(text)) from None
    return bare


def _bare(text: str) -> str:
    text = text.strip().strip(BOM).strip()
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        return address if bracket and (not rest or _is_port(rest)) else text
    address, colon, port = text.rpartition(":")
    # Dots end an address, so a colon behind them begins a port; 2001:db8::1:80 is an address itself.
    return address if "." in address and _is_port(colon + port) else text


def _is_port(text: str) -> bool:
    number = text[1:]
    if text[0] != ":" or not (number.isascii() and number.isdigit() and len(number) <= _PORT_MAX_DIGITS):
        return False
    return int(number) <= PORT_MAX


def _what_is_wrong(text: str) -> str:
    shown = ascii(text[:60])
    if text.partition("/")[1:] == ("/", ""):
        return f"{shown} ends with a slash: remove it"
    if "/" in text:
        return f"{shown} is a range, not one address"
    if "%" in text:
        return f"{shown} carries a zone, which means nothing on another host"
    return f"{shown} is no IPv4 or IPv6 address"


def ipv6_prefix_of(value: int, usual: int = USUAL_IPV6_PREFIX) -> int:
    """Tell how many bits of an IPv6 address name what is judged as one, where *usual* is the number elsewhere.

    In ranges in which a /64 is not one customer, it is as many as one customer has there; or more, where parts
    of a customer are judged.
    """
    for bits, number, customer in _SHARED.get(value >> 112, ()):
        if value >> IPV6_BITS - bits == number:
            return customer if usual <= USUAL_IPV6_PREFIX else max(usual, customer)
    return usual


def key_of(address: Address, *, ipv4_prefix: int = IPV4_BITS, ipv6_prefix: int = USUAL_IPV6_PREFIX) -> str:
    """Name the network that is judged as one: by default an IPv4 address or an IPv6 /64 (one home)."""
    if address.family == 4:
        shift = IPV4_BITS - ipv4_prefix
        return f"{inet_ntop(AF_INET, (address.value >> shift << shift).to_bytes(4))}/{ipv4_prefix}"
    return cidr_of(6, address.value, ipv6_prefix_of(address.value, ipv6_prefix))


def network_of_peer(peer: str) -> str:
    """Name the network that one peer of a connection may have to itself; what is no address stands for itself."""
    try:
        return key_of(parse_address(peer))
    except ValueError:  # a Unix socket, a test
        return peer


def cidr_of(family: int, value: int, prefix: int) -> str:
    """Name the network of *prefix* bits around an address."""
    if family == 4:
        shift = IPV4_BITS - prefix
        return f"{inet_ntop(AF_INET, (value >> shift << shift).to_bytes(4))}/{prefix}"
    shift = IPV6_BITS - prefix
    return f"{inet_ntop(AF_INET6, (value >> shift << shift).to_bytes(16))}/{prefix}"


def span_of(address: Address, prefix: int) -> Span:
    """Find the first and last address of the network of *prefix* bits around *address*."""
    shift = BITS[address.family] - prefix
    low = address.value >> shift << shift
    return Span(address.family, low, low | (1 << shift) - 1)


def family_of(key: str) -> int:
    """Tell the family of a canonical key or IP-set entry: 4 or 6."""
    return 6 if ":" in key else 4


def canonical(entry: str) -> str:
    """Bring an IP-set entry to the one form in which keys are compared.

    GetIPSet answers IPv6 in expanded form, and people type what they like.

    Raises:
        ValueError: If *entry* is neither an address nor a network.
    """
    text, _, length = entry.partition("/")
    try:
        # What nearly every set is full of, and ten thousand times in one reading.
        if length == "32" and ":" not in text:
            inet_pton(AF_INET, text)  # takes only the form that it would give
            return entry
    except (OSError, ValueError):
        pass
    return _canonical(entry)


@lru_cache(maxsize=65_536)  # an audit reads what the one before it read
def _canonical(entry: str) -> str:
    plain = _parsed(entry)
    if plain:
        text = cidr_of(*plain)
        if plain[0] == 4 or "." not in text:  # inet_ntop writes some IPv6 addresses with an IPv4 tail
            return text
    return str(ipaddress.ip_network(entry, strict=False))


def around(key: str) -> list[str]:
    """Name the network *key* and every larger one around it, the smallest first."""
    family, value, prefix = parts_of(canonical(key))
    return [canonical(cidr_of(family, value, length)) for length in range(prefix, 0, -1)]


def network_of(key: str, *, ipv4_prefix: int, ipv6_prefix: int) -> str | None:
    """Name the network of that prefix around a canonical key; None if the key is no smaller."""
    family, value, prefix = parts_of(key)
    wider = ipv4_prefix if family == 4 else ipv6_prefix
    return None if prefix <= wider else cidr_of(family, value, wider)


def judged_network_of(key: str, *, ipv4_prefix: int, ipv6_prefix: int) -> str | None:
    """Name the same; but where a /64 is not one customer, no network is larger than one customer."""
    family, value, prefix = parts_of(key)
    wider = ipv4_prefix if family == 4 else ipv6_prefix_of(value, ipv6_prefix)
    return None if prefix <= wider else cidr_of(family, value, wider)


def display(key: str) -> str:
    """Show a key as people write it: an IPv4 host without its /32."""
    return key.removesuffix("/32") if ":" not in key else key


def is_one_customer(key: str) -> bool:
    """Tell whether a canonical key is what one customer has, or less: what is judged as one is spared as one."""
    if key.endswith("/32") and ":" not in key:
        return True
    family, value, prefix = parts_of(key)
    return prefix >= (IPV4_BITS if family == 4 else ipv6_prefix_of(value))


def networks_between(span: Span) -> Iterator[str]:
    """Name the fewest networks that make up a span, in canonical form and in order."""
    family, low, high = span
    bits = BITS[family]
    while low <= high:
        # The largest network that begins here: by the zeros at the end of its address, and by what is left.
        free_bits = min((low & -low).bit_length() - 1 if low else bits, (high - low + 1).bit_length() - 1)
        yield canonical(cidr_of(family, low, bits - free_bits))
        low += 1 << free_bits


_PREFIXES = {str(prefix): prefix for prefix in range(IPV6_BITS + 1)}


def _parsed(entry: str) -> tuple[int, int, int] | None:
    """Read family, address and prefix of an entry as IP sets write it, many times faster than `ipaddress`.

    None stands for an odd spelling, which `ipaddress` may still be able to read.
    """
    text, _, length = entry.partition("/")
    try:
        prefix = _PREFIXES[length]
        if ":" in text:
            return 6, int.from_bytes(inet_pton(AF_INET6, text)), prefix
        return (4, int.from_bytes(inet_pton(AF_INET, text)), prefix) if prefix <= IPV4_BITS else None
    except (KeyError, OSError, ValueError):
        return None


def parts_of(entry: str) -> tuple[int, int, int]:
    """Read family, address and prefix of an entry as people write it.

    Raises:
        ValueError: If *entry* is neither an address nor a CIDR.
    """
    plain = _parsed(entry)
    if plain:
        return plain
    if "%" in entry:
        raise ValueError(_what_is_wrong(entry))
    network = ipaddress.ip_network(entry, strict=False)
    return network.version, int(network.network_address), network.prefixlen


def is_key(text: str) -> bool:
    """Tell whether *text* is a network in canonical form; no other key is enforced anywhere."""
    try:
        return canonical(text) == text
    except ValueError:
        return False


def is_within(inner: Span, outer: Span) -> bool:
    """Tell whether all of one network lies in another."""
    return inner.family == outer.family and outer.low <= inner.low and inner.high <= outer.high


def span_of_network(entry: str) -> Span:
    """Find the first and last address of a network as people write it; host bits are forgiven.

    Raises:
        ValueError: If *entry* is neither an address nor a CIDR.
    """
    family, value, prefix = parts_of(entry)
    span = span_of(Address(family, value), prefix)
    first_bits = span.low >> IPV4_BITS
    if family == 6 and first_bits == span.high >> IPV4_BITS and first_bits in _IPV4_INSIDE and span.low > 1:
        return Span(4, span.low & 0xFFFFFFFF, span.high & 0xFFFFFFFF)
    return span


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself, by its name or address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") in {"localhost", "localhost.localdomain"}
