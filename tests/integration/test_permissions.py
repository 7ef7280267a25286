"""docs/iam: each role's policy allows what the role does, and nothing else; what it lacks is named in one line.

The edge holds who calls under a role's session token to a policy, with AWS's own names of actions and resources.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.session import Session

from f2b_worker.adapters import caller
from f2b_worker.adapters.waf import finder
from f2b_worker.process import regions
from localstack.permissions import allows
from localstack.policies import FOLDER
from tests.integration import iam_files, roles
from tests.integration.held import held_to

if TYPE_CHECKING:
    from tests.integration.provisioning import Cloud

MAKING = bool(os.environ.get("F2B_TEST_MAKES_POLICIES"))
"""Whether the files are written instead of held to the calls: `make iam`."""

EACH_ACTION = [(role, *action) for role in roles.ROLES if not MAKING for action in roles.taken_from(role)]
KMS = "kms"


@pytest.fixture(autouse=True)
def _in_no_hurry_and_no_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "READS_BESIDE_PER_S", 1000.0)
    monkeypatch.setattr(regions, "READS_OF_A_COMMAND_PER_S", 1000.0)
    monkeypatch.setattr(caller.CALLER, "policy_file", "none")


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_roles_policy_is_all_that_it_needs_and_nothing_that_it_does_not(
    role: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles.set_up(role, cloud)
    policy = iam_files.ANYTHING if MAKING else roles.policy(role, cloud.account)
    with held_to(cloud, policy, monkeypatch) as token:
        assert roles.play(role, cloud) == []
        needed = cloud.aws.edge.needed(token)
    assert needed
    made = iam_files.made_of(role, needed, replace(roles.HERE, account=cloud.account))
    file = FOLDER / f"{role}.json"
    if MAKING:
        file.write_text(made)
    assert file.read_text() == made, f"the file differs from what {role} needs: see it, or make it by `make iam`"


@pytest.mark.parametrize(("role", "sid", "action"), EACH_ACTION, ids=lambda part: part.replace("wafv2:", ""))
def test_an_action_that_is_not_allowed_is_named_with_its_resource_and_the_policy_that_has_it(
    role: str, sid: str, action: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles.set_up(role, cloud)
    policy = roles.without(roles.policy(role, cloud.account), sid, action)
    with held_to(cloud, policy, monkeypatch) as token:
        told = roles.play(role, cloud)
        refused = [need for need in cloud.aws.edge.needed(token) if not allows(policy["Statement"], *need)]
    assert {name for name, _ in refused} == {action}
    spelt = action.lower() if action.startswith("sqs:") else action
    lines = [line.strip() for line in told if f"not authorized to perform: {spelt} on resource: " in line]
    assert lines, told
    assert any(resource in line for line in lines for _, resource in refused)
    assert all("\n" not in line for line in lines)
    if role != "producer":
        assert all(line.endswith(f"docs/iam/{role}.json has the policy that is needed") for line in lines)


def test_every_action_of_every_file_is_one_that_aws_has() -> None:
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        for _, action in roles.actions_of(path.stem):
            service, name = action.split(":")
            operations = _operations(service)
            is_one = (
                any(each.startswith(name.rstrip("*")) for each in operations)
                if "*" in name
                else name in operations
            )
            found[path.stem, action] = is_one
    assert [each for each, is_one in found.items() if not is_one] == []


def _operations(service: str, models: dict[str, set[str]] = {}) -> set[str]:  # noqa: B006 - read once
    if service not in models:
        models[service] = set(Session().get_service_model(service).operation_names)
        if service == "dynamodb":
            models[service] |= {"PartiQLInsert", "PartiQLUpdate"}  # what a statement needs
    return models[service]


def test_the_policies_name_every_role_and_the_page_beside_them_names_every_policy() -> None:
    files = {path.stem for path in FOLDER.glob("*.json")}
    assert files == {*roles.ROLES, KMS}
    page = (FOLDER / "README.md").read_text()
    assert [name for name in sorted(files) if f"({name}.json)" not in page] == []
