"""`f2b`: the operator's command. What it can do is imported when it is called, so that it answers at once."""

from __future__ import annotations

import click

from f2b_worker.cli.group import F2bGroup, Verb
from f2b_worker.cli.operator_options import options
from f2b_worker.signals import leave_with_the_terminal

_LOOK, _ACT, _MAKE, _JAILS = "Look", "Act", "Set up and mend", "Jails"

_HERE = "f2b_worker.cli"
VERBS = {
    "status": Verb(f"{_HERE}.status:status", "Say whether it works, and what somebody should see to.", _LOOK),
    "banned": Verb(f"{_HERE}.banned:banned", "Say whether an address is banned.", _LOOK),
    "list": Verb(f"{_HERE}.listing:list_bans", "List the running bans, and how far each is enforced.", _LOOK),
    "explain": Verb(f"{_HERE}.explain:explain", "Say why an address is banned, or why it is not.", _LOOK),
    "stats": Verb(f"{_HERE}.stats:stats", "Count the running bans.", _LOOK),
    "export": Verb(f"{_HERE}.exporting:export_bans", "Write the bans for other programs.", _LOOK),
    "dashboard": Verb(f"{_HERE}.dashboard:dashboard", "Show in a browser what the other commands show.", _LOOK),
    "audit": Verb(f"{_HERE}.audit:audit", "Say who did what, when and why.", _LOOK),
    "ban": Verb(f"{_HERE}.ban:ban", "Ban an address or a network by hand.", _ACT),
    "unban": Verb(f"{_HERE}.unban:unban", "Lift the ban of an address or a network.", _ACT),
    "allow": Verb(f"{_HERE}.allow:allow", "Keep the list of those whom nobody bans.", _ACT),
    "import": Verb(f"{_HERE}.importing:import_bans", "Ban what a list names.", _ACT),
    "pause": Verb(f"{_HERE}.pausing:pause", "Leave the IP sets as they are, for a time.", _ACT),
    "resume": Verb(f"{_HERE}.pausing:resume", "End a pause.", _ACT),
    "reload": Verb(f"{_HERE}.pausing:reload", "Ask all workers to read their jails files again.", _ACT),
    "release": Verb(f"{_HERE}.release:release", "Let in the bans that the surge guard holds back.", _ACT),
    "dlq": Verb(f"{_HERE}.dlq:dlq", "See what was refused, and put it back or drop it.", _ACT),
    "notify": Verb(f"{_HERE}.notify:notify", "See who is told of bans and troubles, and try it.", _MAKE),
    "provision": Verb(
        f"{_HERE}.provision:provision", "Make the queue, the table and the IP sets of a fleet.", _MAKE
    ),
    "doctor": Verb(f"{_HERE}.doctor:doctor", "Look for what is broken in a set-up.", _MAKE),
    "support": Verb(f"{_HERE}.support:support", "Write a zip for a bug report, without secrets.", _MAKE),
    "repair": Verb(f"{_HERE}.repair:repair", "Make the ban log anew from the bans in the table.", _MAKE),
    "check": Verb(f"{_HERE}.jails:check", "Say everything that is wrong in a jails file.", _JAILS),
    "init": Verb(f"{_HERE}.jails:init", "Write a jails file to start from.", _JAILS),
    "import-fail2ban": Verb(f"{_HERE}.jails:import_fail2ban", "Turn fail2ban's jails into a jails file.", _JAILS),
    "replay": Verb(f"{_HERE}.replay:replay", "Say what jails would have banned.", _JAILS),
}
"""All commands, and where each is."""


@click.group(
    cls=F2bGroup,
    verbs=VERBS,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog="Example: f2b list --table f2b",
)
@options("table", "state", "region", "config")
@click.version_option(package_name="f2b-worker")
def main(**_: object) -> None:
    """See who is banned and why, and act: the operator's command beside a fleet or a standalone worker.

    Exit codes: 0 done, or yes; 1 no, or something was refused; 2 wrong usage; 3 something is missing, not allowed
    or away; 130 interrupted.
    """
    leave_with_the_terminal()
