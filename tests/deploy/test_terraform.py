"""deploy/terraform: made for real on the local AWS, under the module's own names, used, and taken down again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from demo.fleet import NAME, Fleet
from demo.prove import CONFIG
from localstack.permissions import allows
from localstack.policies import Names, filled
from localstack.rate_limits import READS_PER_S
from tests.deploy import described
from tests.deploy.attacked import attacked
from tests.deploy.made import Made
from tests.deploy.module import MODULES_ALONE, PAIRS, properties_of, unlike
from tests.deploy.options import BALANCER, everything
from tests.deploy.policy_blocks import ROLES
from tests.deploy.template import TEMPLATE, Place, Resolver, load
from tests.deploy.terraform import Terraform, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from localstack.local_aws import LocalAws

UNPROTECTED = "-var=deletion_protection=false"

PLANNED_ONLY = {PAIRS[each] for each in ("ScalableTarget", "BacklogScaling", "AgeScaling", "LateMessagesAlarm")}
"""Never made here: the local AWS has no Application Auto Scaling, and the alarm names one of its policies."""

TARGETS = sorted({each.partition("[")[0] for each in {*PAIRS.values(), *MODULES_ALONE} - PLANNED_ONLY})
"""All other resources of the module."""

ALARMS = ("DeadLettersAlarm", "OldestMessageAlarm", "ThrottledReadsAlarm", "ThrottledWritesAlarm", "WorkersAlarm")
NOT_IN_XML = {
    "actions_enabled",
    "alarm_actions",
    "alarm_description",
    "dimensions",
    "ok_actions",
    "period",
    "statistic",
    "treat_missing_data",
}
EMULATORS_OWN = {
    **{PAIRS[each]: NOT_IN_XML for each in ALARMS},
    PAIRS["SecurityGroup"]: {"egress"},
    PAIRS["Service"]: {"availability_zone_rebalancing"},
}
"""What a second plan would change although nobody changed it.

Of an alarm, ministack's DescribeAlarms leaves these out of its XML, which the provider reads. Its JSON has them:
there the alarms are compared with the template's. Of a security group, it keeps the rule that every new one begins
with, out to everywhere, although the provider took it away. Of a service, it does not know the rebalancing.
"""

_HEAD = re.compile(r"^  # module\.f2b\.(\S+) (will be created|.*)\n", re.MULTILINE)
_CHANGE = re.compile(r"^ {6}[~+-] (\w+) +=", re.MULTILINE)
_OUTPUT = re.compile(r'^ {6}\+ (\w+) += "(.*)"$', re.MULTILINE)
_COUNTS = re.compile(r"^Plan: (\d+) to add, (\d+) to change, (\d+) to destroy\.", re.MULTILINE)


@pytest.fixture(autouse=True)
def _quotas_as_they_were(local_aws: LocalAws) -> Iterator[None]:
    yield
    local_aws.edge.set_waf_read_rate(READS_PER_S)


@pytest.fixture
def terraform(local_aws: LocalAws, account: str, tmp_path: Path) -> Terraform:
    return Terraform(tmp_path, local_aws.child_environment(account))


@pytest.fixture
def fleet(local_aws: LocalAws, account: str, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet for which nothing is made: the module does that."""
    config = tmp_path / "f2b.toml"
    config.write_text(CONFIG)
    with Fleet(local_aws, config, account=account) as fleet:
        yield fleet
        fleet.kill()


def test_the_example_is_applied_used_planned_again_without_a_difference_of_ours_and_destroyed(
    terraform: Terraform, fleet: Fleet, local_aws: LocalAws, account: str
) -> None:
    given = everything(local_aws, account) | {"SetsPerFamily": "1"}
    ours = [UNPROTECTED, *options(given)]
    terraform.run("apply", "-auto-approve", *(f"-target=module.f2b.{each}" for each in TARGETS), *ours)
    local_aws.edge.set_waf_read_rate(None)  # whoever looks on reads far more often than WAF allows
    made = Made(local_aws, account)
    _look_at_what_was_made(made, account, given)
    policies = {role: made.policy(made.policies()[f"{NAME}-{role}"]) for role in ROLES}
    assert policies == {role: filled(role, Names(account)) for role in ROLES}
    held = attacked(fleet, local_aws, made, policies["worker"])
    needed = local_aws.edge.needed(fleet.environment["AWS_SESSION_TOKEN"])
    assert needed
    assert [each for each in needed if not allows(policies["worker"]["Statement"], *each)] == []
    again = terraform.run("plan", "-detailed-exitcode", *ours, ends_with=2)
    assert changes(again) == EMULATORS_OWN | {each: {"created"} for each in PLANNED_ONLY}
    assert fleet.ip_set_entries() == held
    _look_at_the_outputs(dict(_OUTPUT.findall(again.partition("Changes to Outputs:")[2])), made, fleet)
    fleet.kill()
    terraform.run("destroy", "-auto-approve", *ours)
    assert not any(made.names().values())


def _look_at_what_was_made(made: Made, account: str, given: Mapping[str, str]) -> None:
    alarms = made.alarms()
    asked = properties_of(Resolver(load(TEMPLATE), Place(account), given))
    assert made.names() == {
        "queues": [NAME, f"{NAME}-dead"],
        "tables": [NAME],
        "IP sets": [f"{NAME}-ipv4", f"{NAME}-ipv6"],
        "rule groups": [NAME],
        "web ACLs": [NAME],
        "alarms": [asked[each]["AlarmName"] for each in ALARMS],
        "policies": sorted(f"{NAME}-{role}" for role in ROLES),
    }
    assert [line for each in ALARMS for line in unlike(asked[each], alarms[asked[each]["AlarmName"]], each)] == []
    assert made.snapshot() == unprotected(described.snapshot())
    assert made.protects(BALANCER) == NAME


def _look_at_the_outputs(answers: Mapping[str, str], made: Made, fleet: Fleet) -> None:
    assert answers["queue_url"] == fleet.queue_url
    assert answers["dead_letter_queue_url"] == fleet.queue_url_of(f"{NAME}-dead")
    assert (answers["table_name"], answers["service_name"], answers["log_group_name"]) == (
        NAME,
        NAME,
        f"/f2b/{NAME}",
    )
    assert answers["rule_group_arn"] == made.rule_group()["ARN"]
    assert answers["web_acl_arn"] == made.web_acl()["ARN"]
    assert {role: answers[f"{role}_policy_arn"] for role in ROLES} == {
        role: made.policies()[f"{NAME}-{role}"] for role in ROLES
    }


def unprotected(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Say the same of a table that may be deleted."""
    return {**snapshot, "table": {**snapshot["table"], "DeletionProtectionEnabled": False}}


def changes(plan: str) -> dict[str, set[str]]:
    """List what a plan would change, by resource; what it would make is `created`."""
    _, *parts = _HEAD.split(plan.partition("\nPlan: ")[0])
    found = {
        name: {"created"} if what == "will be created" else set(_CHANGE.findall(text))
        for name, what, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }
    counts = _COUNTS.search(plan)
    assert counts
    assert sum(map(int, counts.groups())) == len(found)
    return found
