"""`f2b release`: lets the surge guard's held back bans in, after somebody has looked."""

from __future__ import annotations

from typing import Any

import click

from f2b_worker.acting.releasing import release as let_in
from f2b_worker.cli.acting import reason_option
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, remark, say_lines, show_document
from f2b_worker.cli.wrong import usage_errors


@click.command(epilog="Example: f2b release --table f2b")
@reason_option
@ledger_options("audit_days")
@json_option
def release(*, reason: str, as_json: bool, **given: Any) -> None:
    """Let in the bans that the surge guard holds back.

    Look first: f2b list shows who is banned, f2b explain says why. The command says since when bans were held back
    and how many bans are active from then on. The enforcer writes them within seconds. If no bans are held back,
    nothing happens.
    """
    settings = settings_of(given, role="release")
    with usage_errors():
        released = let_in(settings, reason=reason, tell=remark)
    if as_json:
        show_document({"released": [each.as_object() for each in released]})
    else:
        say_lines([each.as_line() for each in released] or ["no bans are held back: there is nothing to release"])
