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
from tests.aws import without_waf_quotas
from tests.deploy import described
from tests.deploy.made import Made
from tests.deploy.stack import Stack
from tests.deploy.template import TEMPLATE, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localstack.local_aws import LocalAws


_FLEET = ("--queue", NAME, "--table", NAME, "--ip-set", NAME, "--rule-group", NAME)
PROVISION = [str(BIN / "f2b"), "provision", *_FLEET]


def by_provision(aws: LocalAws, account: str) -> None:
    subprocess.run(PROVISION, env=aws.child_environment(account), check=True, capture_output=True)


def by_the_template(aws: LocalAws, account: str) -> None:
    with Stack(aws, TEMPLATE, Place(account), {}):
        pass


@pytest.fixture
def aws(local_aws: LocalAws) -> Iterator[LocalAws]:
    """Without WAF's quotas: provision keeps them by itself."""
    with without_waf_quotas(local_aws):
        yield local_aws


@pytest.mark.parametrize("make", [by_provision, by_the_template])
def test_what_is_made_is_what_the_one_description_says(
    make: Callable[[LocalAws, str], None], aws: LocalAws, account: str
) -> None:
    make(aws, account)
    assert Made(aws, account).snapshot() == described.snapshot()


def test_provision_finds_everything_that_the_template_made_and_says_no_word_against_it(
    aws: LocalAws, account: str
) -> None:
    by_the_template(aws, account)
    dry = [*PROVISION, "--dry-run"]
    done = subprocess.run(dry, env=aws.child_environment(account), check=True, capture_output=True, text=True)
    lines = done.stdout.partition("\n\n")[0].splitlines()
    missing = {line.partition(":")[0] for line in lines if not line.endswith(": there")}
    assert missing == {f"ban log of table {NAME}", f"format of table {NAME}"}
    assert len(lines) == 12
