"""deploy/terraform is the CloudFormation template in another language, and says of itself what is so."""

from __future__ import annotations

import filecmp
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from localstack.policies import FOLDER
from tests.deploy import module
from tests.deploy.module_page import MODULE, PAGE, outputs, variables, written
from tests.deploy.policy_blocks import ROLES
from tests.deploy.template import TEMPLATE, Place, Resolver, load
from tests.deploy.terraform import CHOSEN, Terraform, options, plugins, program

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from localstack.local_aws import LocalAws

EVERYTHING = {
    "Name": "f2b-with-as-long-a-name-as-it-can-be-40c",
    "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/f2b:0.2.0",
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0fedcba9876543210",
    "SetsPerFamily": "5",
    "Action": "captcha",
    "ProtectedResourceArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:wake-somebody",
    "AssignPublicIp": "true",
}
"""All that the example can be given, as the template's parameters have it."""

WRITE_ANEW = "run: python -m tests.deploy.module_page"


def test_the_files_are_as_terraform_formats_them() -> None:
    done = subprocess.run(
        [program(), "fmt", "-check", "-recursive", "-diff", str(MODULE)],
        env={"TF_CLI_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_policies_of_the_module_are_those_of_docs_iam_to_the_letter() -> None:
    here = sorted(each.name for each in (MODULE / "policies").iterdir())
    assert here == sorted(f"{role}.json" for role in ROLES)
    _, unlike, missing = filecmp.cmpfiles(MODULE / "policies", FOLDER, here, shallow=False)
    assert (unlike, missing) == ([], []), WRITE_ANEW


def test_the_readme_lists_all_inputs_and_outputs() -> None:
    assert PAGE.read_text() == written(PAGE.read_text()), WRITE_ANEW


def test_the_variables_of_the_module_are_the_parameters_of_the_template_with_the_same_defaults() -> None:
    parameters = load(TEMPLATE)["Parameters"]
    asked = {module.snake(name): as_text(each["Default"]) for name, each in parameters.items()}
    assert {each.name: as_text(each.default) for each in variables()} == asked


def as_text(default: Any) -> str:
    """Write a default as the template has it: CloudFormation knows texts only."""
    if isinstance(default, list):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_the_outputs_of_the_module_are_those_of_the_template() -> None:
    assert set(outputs()) == {module.snake(name) for name in load(TEMPLATE)["Outputs"]}


def test_with_everything_on_the_module_is_valid_and_plans_what_the_template_has(
    local_aws: LocalAws, account: str, tmp_path: Path
) -> None:
    terraform = Terraform(tmp_path, local_aws.child_environment(account))
    terraform.run("validate")
    terraform.run("plan", "-out=plan", *options(EVERYTHING))
    planned = module.of_module(terraform.show("plan"))
    resolver = Resolver(load(TEMPLATE), Place(account), EVERYTHING)
    asked = module.of_template(resolver)
    assert asked.keys() == module.PAIRS.keys() | module.TEMPLATES_ALONE.keys()
    assert planned.keys() == {*module.PAIRS.values(), *module.MODULES_ALONE}
    pairs = {name: (asked[name], planned[address]) for name, address in module.PAIRS.items()}
    assert [line for name, (one, other) in pairs.items() for line in module.unlike(one, other, name)] == []
    assert {name for one, other in pairs.values() for name in module.spare(one, other)} == module.SPARE.keys()
    _compare_what_stands_elsewhere(resolver, planned)


def _compare_what_stands_elsewhere(resolver: Resolver, planned: dict[str, dict[str, Any]]) -> None:
    wanted = resolver.wanted()
    for policy_id, queue in module.TEMPLATES_ALONE.items():
        assert wanted[policy_id]["Properties"]["Queues"] == [{"Ref": queue}]
        policy = resolver.value(wanted[policy_id]["Properties"]["PolicyDocument"])
        assert list(module.unlike(policy, planned[module.PAIRS[queue]]["policy"])) == []
    (of_role,) = wanted["ExecutionRole"]["Properties"]["Policies"]
    in_module = planned["aws_iam_role_policy.execution[0]"]
    assert in_module["name"] == of_role["PolicyName"]
    assert list(module.unlike(resolver.value(of_role["PolicyDocument"]), in_module["policy"])) == []
    assert wanted["TaskRole"]["Properties"]["ManagedPolicyArns"] == [{"Ref": "WorkerPolicy"}]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"statistic": "Sum"}, {"statistic": "Maximum"}),
        ({"statistic": "Sum"}, {}),
        ({"ttl": {"enabled": True}}, {"ttl": [{"enabled": False}]}),
        ({"rule": [{"priority": 0}]}, {"rule": [{"priority": 1}]}),
        ({"rule": [{"priority": 0}]}, {"rule": [{"priority": 0}, {"priority": 1}]}),
        ({"policy": {"Statement": [{"Effect": "Deny"}]}}, {"policy": '{"Statement": [{"Effect": "Allow"}]}'}),
        ({"addresses": []}, {"addresses": ["192.0.2.1/32"]}),
    ],
)
def test_a_difference_is_seen(asked: dict[str, Any], found: dict[str, Any]) -> None:
    assert list(module.unlike(asked, found))


def test_what_is_known_only_when_it_is_made_is_compared_with_nothing() -> None:
    assert not list(module.unlike({"arn": module.UNKNOWN}, {"arn": "arn:aws:sqs:us-east-1:1:f2b"}))
    assert not list(module.unlike({"arn": "arn:aws:sqs:us-east-1:1:f2b"}, {"arn": module.UNKNOWN}))


def test_what_only_the_module_has_is_named() -> None:
    assert module.spare({"name": "f2b"}, {"name": "f2b", "fifo_queue": True, "tags": None}) == {"fifo_queue"}


def test_a_folder_that_was_chosen_for_plugins_and_holds_no_provider_is_an_error_and_no_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOSEN, str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="holds no"):
        plugins()
    provider = (
        tmp_path / "registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64/terraform-provider-aws_v5.100.0_x5"
    )
    provider.parent.mkdir(parents=True)
    provider.touch()
    assert plugins() == tmp_path
