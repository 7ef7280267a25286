"""What a real enforcer notes of its IP sets is what `f2b status` and `f2b list` say, while it lives."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from demo.fleet import BIN, NAME, eventually
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.domain.noted_sets import NOTED_WITHIN_MS
from tests.acceptance.attacks import report, send_bodies

if TYPE_CHECKING:
    from demo.fleet import Fleet

IP = "203.0.113.7"
NO_WAF = {"AWS_ENDPOINT_URL_WAFV2": "http://127.0.0.1:9"}


def f2b(fleet: Fleet, *arguments: str, code: int = 0, can_ask_waf: bool = False) -> Any:
    """Run a command, which cannot reach WAF unless it may."""
    environment = fleet.environment | ({} if can_ask_waf else NO_WAF)
    command = [str(BIN / "f2b"), *arguments, "--table", NAME, "--ip-set", NAME, "--json"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code in {0, 1} else done.stderr


def test_status_and_list_ask_waf_only_when_the_enforcer_is_dead(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    send_bodies(fleet, report(IP, 10))
    eventually(lambda: fleet.ip_set_entries() == {f"{IP}/32"}, "it is banned", 30)
    eventually(lambda: states(fleet) == ["enforced"], "the enforcer noted it", 90)

    sets = {each["family"]: each["entries"] for each in f2b(fleet, "status")["sets"]}
    assert sets == {4: 1, 6: 0}
    assert "the IP sets" in f2b(fleet, "status", "--live", code=3)

    worker.kill()
    worker.wait()
    grow_old(fleet)
    assert "the IP sets" in f2b(fleet, "status", code=3)
    sets = {each["family"]: each["entries"] for each in f2b(fleet, "status", can_ask_waf=True)["sets"]}
    assert sets == {4: 1, 6: 0}
    (ban,) = f2b(fleet, "list", can_ask_waf=True)["bans"]
    assert ban["state"] == "enforced"


def states(fleet: Fleet) -> list[str]:
    return [each["state"] for each in f2b(fleet, "list")["bans"]]


def grow_old(fleet: Fleet) -> None:
    """Let the note that is there be as old as it would be in a minute and a half."""
    notebook = DynamoNotebook(fleet.dynamodb, NAME, region="us-east-1")
    noted = notebook.read().sets
    assert noted
    notebook.note_sets(noted._replace(at_ms=noted.at_ms - NOTED_WITHIN_MS))
