"""The errors of f2b, in one small tree.

    F2bError
    ├── Retryable            the same call may succeed later
    │   ├── Throttled        asked too often: slow down
    │   ├── Unavailable      no answer, a 5xx, a broken connection
    │   │   └── FileLost     the state file is not what it was: the process has to end
    │   └── LockLost         somebody else changed the IP set: read it again
    └── Permanent            the same call will fail again
        ├── AccessDenied     credentials or policy
        │   └── CredentialsAway  none could be had just now, or they are expired: whoever starts waits
        ├── Missing          a queue, a table or an IP set that is not there
        ├── BadEntry         WAF refused one address of an update
        └── Rejected         anything else that AWS will not do
            ├── Misconfigured  a setting of AWS's own is wrong: no call can be made
            └── Invalid      what was sent is wrong in itself: nobody else's calls fail for it
                └── Unreadable   one stored item cannot be read: all others can
    RefusedError             a F2bError: a command leaves something as it is, on purpose
    StartError               a F2bError that ends the command with its own exit code
    └── GaveUp               AWS was away for too long: a later start may succeed

Adapters map botocore's error codes to these once, with the cause attached.
"""

from __future__ import annotations


class F2bError(Exception):
    """Anything that f2b raises on purpose; its text is one line for the user."""


class Retryable(F2bError):
    """The same call may succeed later; nothing was lost by waiting."""


class Throttled(Retryable):
    """AWS asks for fewer calls."""


class Unavailable(Retryable):
    """AWS did not answer, answered 5xx, or the connection broke."""


class FileLost(Unavailable):
    """The state file that is open is not what a restart would open: it is gone, another one, or damaged.

    Whoever holds messages holds on to them until somebody has looked.
    """


class LockLost(Retryable):
    """Somebody else changed the IP set since it was read."""


class Permanent(F2bError):
    """The same call will fail again until somebody changes something."""


class AccessDenied(Permanent):
    """The credentials are missing, expired or not allowed to do this.

    Attributes:
        by_policy: Whether the credentials are good, and no policy allows them to do this.
    """

    def __init__(self, message: str, *, by_policy: bool = False) -> None:
        super().__init__(message)
        self.by_policy = by_policy


class CredentialsAway(AccessDenied):
    """No credentials could be had, or they are expired: who gives them out may be slow, or just renew them."""


class Missing(Permanent):
    """A queue, a table or an IP set does not exist.

    Attributes:
        shown_within_s: How long it is worth to look again: AWS may not show yet what was made just now.
    """

    def __init__(self, message: str, *, shown_within_s: float = 0.0) -> None:
        super().__init__(message)
        self.shown_within_s = shown_within_s


class BadEntry(Permanent):
    """WAF refused a whole update because of one address.

    Attributes:
        entry: The address as WAF named it.
    """

    def __init__(self, message: str, entry: str) -> None:
        super().__init__(message)
        self.entry = entry


class Rejected(Permanent):
    """AWS refused the call for a reason that has no class of its own."""


class Misconfigured(Rejected):
    """An environment variable or a configuration file of AWS's is wrong: no client can be made."""


class Invalid(Rejected):
    """What was sent is wrong in itself, an item that is too large for instance; what others send is not."""


class Unreadable(Invalid):
    """One stored item cannot be read, as a broken or newer writer leaves it; all others can.

    Attributes:
        kind: What it is, as the metric names it: ban, offender, history, foreign, networks, surge, swept, lease,
            act, allow, control.
        item: How its store names it.
        attribute: What of it cannot be read.
        remedy: What follows from it, and what to do.
    """

    def __init__(self, kind: str, item: str, attribute: str, remedy: str) -> None:
        super().__init__(f"item {item}: {attribute} cannot be read; {remedy}")
        self.kind = kind
        self.item = item
        self.attribute = attribute
        self.remedy = remedy


class RefusedError(F2bError):
    """A command leaves something as it is, on purpose: its exit code is that of a no."""


class StuckError(F2bError):
    """A loop of this process stands still, and nothing that it waits for takes so long."""


class StartError(F2bError):
    """The command cannot start as configured; exit code 3 keeps a supervisor from trying for ever."""

    exit_code = 3


class GaveUp(StartError):
    """AWS was away for as long as a start waits; exit code 5 tells a supervisor to try again."""

    exit_code = 5


def code_at_start(error: F2bError) -> int:
    """Tell the exit code of a process that this keeps from starting."""
    if isinstance(error, StartError):
        return error.exit_code
    return (GaveUp if isinstance(error, Retryable | CredentialsAway) else StartError).exit_code
