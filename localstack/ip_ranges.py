"""Addresses as AWS WAF takes and answers them."""

import socket

from localstack.faults import ApiError

FAMILIES = {"IPV4": (socket.AF_INET, 4), "IPV6": (socket.AF_INET6, 16)}


def normal_range(entry: str, version: str) -> str:
    """Return a CIDR entry in the form WAF answers: IPv6 fully expanded.

    Works on bytes, since ``ipaddress`` takes 60 ms for a full set and would hold up every other call.

    Raises:
        ApiError: WAFInvalidParameterException for what WAF refuses: no mask, /0, host bits, the other family.
    """
    family, size = FAMILIES[version]
    address, slash, mask = entry.partition("/")
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, ValueError):
        raise _bad_address(entry) from None
    if not (slash and mask.isascii() and mask.isdigit() and not mask.startswith("0")):
        raise _bad_address(entry)
    length = int(mask)
    host_bits = size * 8 - length
    if host_bits < 0 or int.from_bytes(packed) & ((1 << host_bits) - 1):
        raise _bad_address(entry)
    return entry if size == 4 else f"{_expanded(packed)}/{length}"


def _expanded(packed: bytes) -> str:
    return packed.hex(":", 2)


def _bad_address(entry: str) -> ApiError:
    return invalid("IP_ADDRESS", entry, "The parameter contains formatting that is not valid.")


def invalid(field: str, parameter: str, reason: str) -> ApiError:
    """WAFInvalidParameterException, worded as AWS words it."""
    message = f"Error reason: {reason}, field: {field}, parameter: {parameter}"
    return ApiError("WAFInvalidParameterException", message, Field=field, Parameter=parameter, Reason=reason)
