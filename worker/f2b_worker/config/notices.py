"""What the jails file says of notices, once it is read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP_WAIT_MS = 30_000
GROUP_MAX = 500
SUBJECT_MAX = 500
TEXT_MAX = 200_000
"""So many characters a template may make."""

TAGS: Mapping[str, Any] = {
    "ip": "203.0.113.7",
    "jail": "login",
    "failures": 5,
    "bantime": 600,
    "bancount": 1,
    "matches": "GET /login",
    "time": "2026-11-30T01:02:03Z",
    "until": "2026-11-30T01:12:03Z",
    "by": "judge",
}
"""What is known of one ban: fail2ban's tags, with an example of each."""

EXAMPLE: Mapping[str, Any] = {
    **TAGS,
    "kind": "ban",
    "severity": "info",
    "fleet": "f2b",
    "count": 2,
    "bans": [dict(TAGS), dict(TAGS)],
    "top_networks": [{"name": "203.0.113.0/24", "count": 2}],
    "top_jails": [{"name": "login", "count": 2}],
    "what": "2 bans",
    "ended": False,
    "where": "eu-west-1",
}
"""All that a template may use; a notice without a ban has empty values there."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that no log, page or error line shows.

    Attributes:
        value: It; empty if it stands in a variable.
        variable: The environment variable that holds it. It is read by who uses it: others read the file, too.
    """

    value: str = field(default="", repr=False)
    variable: str = ""

    def reveal(self) -> str:
        """Tell it.

        Raises:
            StartError: If its variable is not set.
        """
        if not self.variable:
            return self.value
        found = os.environ.get(self.variable, "").strip()
        if not found:
            raise StartError(f"the variable {self.variable} is not set: give it to the worker")
        return found


@dataclass(frozen=True, slots=True)
class SnsAddress:
    """A topic of SNS."""

    topic: str


@dataclass(frozen=True, slots=True)
class EventBridgeAddress:
    """An event bus."""

    bus: str


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """A URL that takes a POST.

    Attributes:
        url: It; in a chat's URL stands its secret.
        secret: The key of the signature; None: it is not signed.
        allow_private: Whether addresses inside are allowed, too.
    """

    url: Secret
    secret: Secret | None = None
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class CommandAddress:
    """A program, which reads JSON from its standard input.

    Attributes:
        argv: The program and its arguments; no shell reads them.
        timeout_ms: After so long it is killed.
        environment: Further variables of the worker that it is given, by name.
    """

    argv: tuple[str, ...]
    timeout_ms: int
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppriseAddress:
    """URLs of Apprise, in which secrets stand: one or more in each of these, with white space between them."""

    urls: tuple[Secret, ...]


Address = SnsAddress | EventBridgeAddress | WebhookAddress | CommandAddress | AppriseAddress


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One target.

    Attributes:
        name: As the file has it.
        to: What kind of target it is.
        address: Where it is.
        on: The kinds of events that it hears of.
        jails: The jails that it hears of; none: all.
        severity: It hears of nothing less grave.
        group_wait_ms: So long events wait for more.
        group_max: So many bans are listed in one message.
        subject: A template; None: the usual words.
        text: A template; None: the usual words.
    """

    name: str
    to: str
    address: Address
    on: tuple[str, ...]
    jails: tuple[str, ...] = ()
    severity: str = "info"
    group_wait_ms: int = GROUP_WAIT_MS
    group_max: int = GROUP_MAX
    subject: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Notices:
    """All of `[notices]`.

    Attributes:
        fleet: What the fleet is called in a notice; None: by its table or file.
        targets: By their order in the file.
    """

    fleet: str | None = None
    targets: tuple[TargetSettings, ...] = ()
