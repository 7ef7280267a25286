"""This machine: its clock, and whether its own addresses are banned."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import AGREES_MS, AWS_TIME, SystemClock
from f2b_worker.adapters.machine import login_address, own_addresses
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.domain.addresses import canonical, key_of, parse_address
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.process.covering import running_over
from f2b_worker.process.opening import open_acts, open_ban_book
from f2b_worker.query.checkup.check import Check, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings


def clock_of_aws() -> str | None:
    """Say so where this machine's clock is off, as AWS's answers told it."""
    off_ms = AWS_TIME.ahead_ms
    if abs(off_ms) <= AGREES_MS:
        return None
    return f"this machine's is {off_ms / 1000:.1f} s behind AWS's; let NTP set it (f2b goes by AWS's meanwhile)"


def of_own_addresses(settings: OperatorSettings, jails: Jails, role: Role) -> Iterator[Check]:
    """List what is looked at of the addresses that nobody wants banned: this machine's, and the operator's."""

    @cache
    def allowed() -> Networks:
        entries = open_acts(settings, aside=lambda _: None).allowlist()
        return with_entries(jails.allowed, entries, SystemClock().now_ms())

    for address in own_addresses():
        look = partial(_own_address, settings, allowed, address, is_ours=True)
        yield Check(f"own address {address}", look, role.policy)
    login = login_address()
    if login:
        look = partial(_own_address, settings, allowed, login, is_ours=False)
        yield Check(f"address {login} that you are logged in from", look, role.policy)


def _own_address(
    settings: OperatorSettings, allowed: Callable[[], Networks], text: str, *, is_ours: bool
) -> str | None:
    address = parse_address(text)
    if NEVER_BANNED.covers(address) or allowed().covers(address):
        return None
    key = canonical(key_of(address, ipv6_prefix=128))
    bans = running_over(open_ban_book(settings, aside=lambda _: None), key, SystemClock().now_ms())
    jails = sorted({each.who.jail for each in bans if not each.ban.observed})
    if jails:
        return f"it is banned in jail {' and '.join(jails)}: f2b allow add {text} lifts that, and keeps it free"
    return f"it is not on the allowlist, so a worker may ban it: f2b allow add {text}" if is_ours else None
