"""Whom nobody bans: the allowlist of the ledger, ignoreip of the file, and what is built in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.domain.addresses import display
from f2b_worker.query.wording import moment, plain_text, time_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.acts.allowlist import AllowEntry

KEYS = ("network", "from", "jail", "until", "until_at", "comment", "by", "added", "added_at")
FROM_LEDGER, FROM_FILE, BUILT_IN = "ledger", "file", "built in"


class Allowed(NamedTuple):
    """One entry of an allowlist.

    Attributes:
        network: Who is allowed.
        source: Whence: the ledger, the file, or what is built in.
        jail: The jail of the file whose ignoreip it is; empty for all.
        entry: The entry of the ledger, if it is one.
    """

    network: str
    source: str
    jail: str = ""
    entry: AllowEntry | None = None

    def as_object(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        entry = self.entry
        return {
            "network": display(self.network),
            "from": self.source,
            "jail": self.jail or None,
            **time_object("until", entry.until_ms if entry else None),
            "comment": entry.comment if entry else None,
            "by": entry.by if entry else None,
            **time_object("added", entry.at_ms if entry else None),
        }

    def as_row(self) -> tuple[str, ...]:
        """Return it as cells."""
        if not self.entry:
            return display(self.network), self.source, "for ever", self.jail and f"jail {self.jail}"
        until = "for ever" if self.entry.until_ms is None else moment(self.entry.until_ms)
        return display(self.network), self.source, until, plain_text(self.entry.comment)


def everybody_allowed(entries: Iterable[AllowEntry], jails: Jails) -> Iterator[Allowed]:
    """List whom nobody bans, by the ledger, whose *entries* these are, and by the file."""
    yield from (Allowed(each.network, FROM_LEDGER, entry=each) for each in entries)
    common = jails.policy.defaults.ignore.entries
    yield from (Allowed(each, FROM_FILE) for each in common)
    for name, jail in jails.policy.jails.items():
        yield from (Allowed(each, FROM_FILE, name) for each in jail.ignore.entries if each not in common)
