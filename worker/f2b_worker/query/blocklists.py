"""The blocklists that somebody names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, JAIL_NAME, JAIL_NAME_RULE
from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.config.jails_file import Jails


def checked_blocklists(jails: Jails, names: Sequence[str]) -> tuple[str, ...]:
    """Answer the blocklists that are named, each once; `block` if none is.

    Raises:
        WrongSetting: If one is no name, or the file has blocklists and not this one.
    """
    known = {DEFAULT_BLOCKLIST, *(each.name for each in jails.blocklists)}
    for name in names:
        if not JAIL_NAME.fullmatch(name):
            raise WrongSetting(f"a name has {JAIL_NAME_RULE}", "blocklist")
        if name not in known and jails.blocklists:
            raise WrongSetting(f"no blocklist {name!r}: there are {', '.join(sorted(known))}", "blocklist")
    return tuple(dict.fromkeys(names)) or (DEFAULT_BLOCKLIST,)
