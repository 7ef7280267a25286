"""What the dashboard does with AWS: every page is shown, and every act is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.caller import act_as
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.dashboard.acts import Acts
from f2b_worker.dashboard.asked import Asked, Visitor
from f2b_worker.dashboard.pages import PAGES
from f2b_worker.query.sources import Sources
from tests.integration.provisioning import NAMES
from tests.integration.worker_roles import ADDRESS, Told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "ban": {"address": [ADDRESS]},
    "unban": {"address": [ADDRESS]},
    "allow": {"address": [ADDRESS]},
    "disallow": {"address": [ADDRESS]},
    "pause": {},
    "resume": {},
    "release": {},
    "retry": {"reason": ["no_ip"], "sure": ["yes"]},
    "drop": {"reason": ["received_too_often"], "sure": ["yes"]},
}


def a_dashboard() -> list[str]:
    """Show every page, then do everything."""
    act_as("dashboard")
    settings = OperatorSettings(queue=NAMES[1], table=NAMES[3], ip_set=(NAMES[5],))
    told, sources = Told(), Sources(settings, read_jails(None))
    try:
        for name in PAGES:
            asked = Asked(f"/{name}/{ADDRESS}", {"note": "x"} if name == "bans" else {})
            told.step(lambda name=name, asked=asked: PAGES[name](asked, sources))  # type: ignore[misc]
        acts = Acts(settings).by_name()
        for name, form in FORMS.items():
            said = told.step(lambda name=name, form=form: acts[name](Visitor("ann", may_act=True), form))  # type: ignore[misc]
            told.lines += [said.text] if said and "not authorized" in said.text else []
    finally:
        sources.close()
    return told.lines
