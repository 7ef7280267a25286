"""`f2b notify`: the targets of notices, and whether one arrives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.group import LateGroup, answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import columns, json_option, say_lines, show_document
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.jails_schema import did_you_mean
from f2b_worker.errors import F2bError, RefusedError, StartError
from f2b_worker.notices.opening import fleet_name, open_target
from f2b_worker.notices.process import POLICY
from f2b_worker.notices.wording import Wording
from f2b_worker.process.opening import local_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.config.notices import Notices, TargetSettings
    from f2b_worker.config.operator import OperatorSettings

AT_ONCE = 20
"""So many targets are tried at once: one that hangs keeps nobody waiting for the others."""


@click.group(cls=LateGroup, verbs={}, epilog="Example: f2b notify test --config f2b.toml")
def notify() -> None:
    """See who is told of bans and troubles, and try it.

    The targets stand in the jails file, each as [notices.NAME]. The workers tell them.
    """


@notify.command("list", epilog="Example: f2b notify list --config f2b.toml")
@ledger_options()
@json_option
def list_targets(*, as_json: bool, **given: Any) -> None:
    """List the targets of the jails file.

    Neither secrets nor URLs are shown. It makes no call.
    """
    notices = _notices(settings_of(given, role=POLICY))
    if as_json:
        show_document({"targets": [_target_object(each) for each in notices.targets]})
        return
    rows = [
        (each.name, each.to, " ".join(each.on), " ".join(each.jails) or "all", each.severity)
        for each in notices.targets
    ]
    say_lines(columns([("TARGET", "TO", "ON", "JAILS", "SEVERITY"), *rows]))


@notify.command("test", epilog="Example: f2b notify test ops --config f2b.toml")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@ledger_options()
@json_option
def test_targets(names: Sequence[str], *, as_json: bool, **given: Any) -> None:
    """Send a notice to each target that says that it is a test.

    It is sent from here, with the credentials and the variables of whoever runs this.
    Exit codes: 0 each took it, 1 one did not, 2 wrong usage, 3 there is no target.
    """
    settings = settings_of(given, role=POLICY)
    notices = _notices(settings)
    targets = _chosen(notices, names)
    fleet = fleet_name(notices, settings)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        failures = list(threads.map(partial(_try, fleet), targets))
    outcomes = dict(zip([each.name for each in targets], failures, strict=True))
    if as_json:
        found = [{"target": name, "sent": not why, "reason": why or None} for name, why in outcomes.items()]
        show_document({"targets": found})
    else:
        say_lines(f"{name}: {f'not sent: {why}' if why else 'sent'}" for name, why in outcomes.items())
    answer(yes=not any(failures))


def _notices(settings: OperatorSettings) -> Notices:
    """Read the targets.

    Raises:
        StartError: If there is none.
    """
    notices = read_jails(settings.config).notices
    if notices is None:
        where = settings.config or "no jails file is given: give --config FILE"
        raise StartError(f"{where}: there is no target: write one as [notices.NAME]")
    return notices


def _chosen(notices: Notices, names: Sequence[str]) -> list[TargetSettings]:
    known = {each.name: each for each in notices.targets}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise RefusedError(f"there is no target {name!r}{hint}")
    return [known[name] for name in dict.fromkeys(names)] or list(notices.targets)


def _try(fleet: str, settings: TargetSettings) -> str:
    """Send one; answer why it was not taken, or nothing."""
    try:
        with closing(open_target(settings)) as target:
            target.send(Wording(settings, fleet).of_test(local_name(), SystemClock().now_ms()))
    except F2bError as error:
        return str(error)
    return ""


def _target_object(settings: TargetSettings) -> dict[str, Any]:
    return {
        "target": settings.name,
        "to": settings.to,
        "on": list(settings.on),
        "jails": list(settings.jails),
        "severity": settings.severity,
        "group_wait": settings.group_wait_ms / 1000,
        "group_max": settings.group_max,
    }
