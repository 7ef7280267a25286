"""The demo's attack on a fleet in containers, or on one of a template, with the policy that the template made."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

from demo.attack import attack
from demo.checker import difference, expected
from demo.fleet import BIN, NAME, Fleet, eventually
from demo.prove import RULES, WORKER_OPTIONS, compared, running_entries, send, shifted
from f2b_worker.adapters.waf.rules import SET_REFERENCE, references

if TYPE_CHECKING:
    from demo.checker import Ban
    from localstack.local_aws import LocalAws
    from tests.deploy.made import Made


def judged_attack(fleet: Fleet) -> list[Ban]:
    """Have an attack judged, and hold the bans against those of the demo's checker; answer these."""
    infractions = shifted(attack(1, time.time_ns() // 1_000_000), time.time_ns() // 1_000_000 - 1000)
    wanted = expected(infractions, RULES)
    send(fleet, infractions)
    fleet.wait_until_judged()
    assert difference(fleet.bans(), wanted) == []
    return wanted


def attacked(fleet: Fleet, aws: LocalAws, made: Made, policy: dict[str, Any]) -> set[str]:
    """Write the fleet's rows, start a worker, attack, and look at every ban.

    Args:
        fleet: In the account that everything was made in; its config is that of `make demo`.
        aws: The local AWS.
        made: What is in that account.
        policy: The worker's, and all that the init step and the worker may do.

    Returns:
        What the IP sets hold.
    """
    fleet.environment["AWS_SESSION_TOKEN"] = token = f"worker-{id(fleet)}"
    aws.edge.permit(token, policy)
    init = [str(BIN / "f2b"), "provision", "--rows-only", "--table", NAME]
    done = subprocess.run(init, env=fleet.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fleet.start_worker(*WORKER_OPTIONS)
    wanted = judged_attack(fleet)
    eventually(lambda: compared(fleet.ip_set_entries()) == running_entries(wanted), "equal IP sets", 20, 0.6)
    held = fleet.ip_set_entries()
    assert held
    rules = made.rule_group()["Rules"]
    assert {arn for rule in rules for arn in references(rule, SET_REFERENCE)} == {
        each["ARN"] for each in made.ip_sets()
    }
    return held
