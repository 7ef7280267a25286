"""What people write on the command line: addresses, networks, durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import SECOND_MS
from f2b_worker.query.reading import network_in

if TYPE_CHECKING:
    _TextType = click.ParamType[str]
    _NumberType = click.ParamType[int]
else:  # older releases of click have no type in it
    _TextType = _NumberType = click.ParamType


class _Network(_TextType):
    """An address or a network in any spelling, as its canonical network: `203.0.113.7/32`, `2001:db8::1/128`."""

    name = "cidr"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        try:
            return network_in(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Duration(_NumberType):
    """A duration as fail2ban writes it, in milliseconds; -1 is for ever."""

    name = "time"

    def __init__(self, least_ms: int = 0) -> None:
        self._least_ms = least_ms

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        try:
            time_ms = value if isinstance(value, int) else parse_duration_ms(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if time_ms < self._least_ms:
            self.fail(f"{value!r} is too short: it must be a second or longer", param, ctx)
        return time_ms


class _Country(_TextType):
    """A country in two letters of ISO 3166-1, in upper case."""

    name = "country"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        code = str(value).upper()
        if len(code) != 2 or not code.isascii() or not code.isalpha():
            self.fail(f"{value!r} is no country: write two letters of ISO 3166-1, such as RU", param, ctx)
        return code


COUNTRY = _Country()
NETWORK = _Network()
DURATION = _Duration()
LASTING = _Duration(least_ms=SECOND_MS)
"""For how long something is so that begins now."""
