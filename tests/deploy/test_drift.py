"""`f2b provision`, the CloudFormation template and the Terraform module make the same.

Each makes it for real, in an account of its own; what is there is read back by AWS's own APIs and held against the
one description, `f2b_worker.adapters.provisioning.needs`. To apply the module takes a minute: tests/deploy/
test_terraform.py compares what it made with the same `Made.snapshot()`, in the test that uses it.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME
from tests.deploy import described
from tests.deploy.made import Made
from tests.deploy.policy_blocks import TEMPLATE
from tests.deploy.stack import Stack
from tests.deploy.template import Place
from tests.deploy.test_cloudformation import an_account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localstack.local_aws import LocalAws


def by_provision(aws: LocalAws, account: str) -> None:
    names = ("--queue", NAME, "--table", NAME, "--ip-set", NAME, "--rule-group", NAME)
    command = [str(BIN / "f2b"), "provision", *names]
    subprocess.run(command, env=aws.child_environment(account), check=True, capture_output=True)


def by_the_template(aws: LocalAws, account: str) -> None:
    with Stack(aws, TEMPLATE, Place(account), {}):
        pass


@pytest.fixture
def aws(local_aws: LocalAws) -> Iterator[LocalAws]:
    """Without WAF's quotas: provision keeps them by itself."""
    local_aws.edge.set_waf_rate(None)
    local_aws.edge.set_waf_read_rate(None)
    yield local_aws
    local_aws.edge.set_waf_rate(1.0)
    local_aws.edge.set_waf_read_rate(5.0)


@pytest.mark.parametrize("make", [by_provision, by_the_template])
def test_what_is_made_is_what_the_one_description_says(
    make: Callable[[LocalAws, str], None], aws: LocalAws
) -> None:
    account = an_account()
    make(aws, account)
    assert Made(aws, account).snapshot() == described.snapshot()


def test_provision_finds_everything_that_the_template_made_and_says_no_word_against_it(aws: LocalAws) -> None:
    account = an_account()
    by_the_template(aws, account)
    names = ("--queue", NAME, "--table", NAME, "--ip-set", NAME, "--rule-group", NAME)
    command = [str(BIN / "f2b"), "provision", "--dry-run", *names]
    done = subprocess.run(command, env=aws.child_environment(account), check=True, capture_output=True, text=True)
    lines = done.stdout.partition("\n\n")[0].splitlines()
    missing = {line.partition(":")[0] for line in lines if not line.endswith(": there")}
    assert missing == {f"ban log of table {NAME}", f"format of table {NAME}"}
    assert len(lines) == 12
