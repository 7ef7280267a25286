"""docs/iam with names filled in: what tests of templates compare with."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from localstack.policies import FOLDER, Names, filled, normalised

FILES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("role", FILES)
def test_no_word_in_capitals_is_left_in_any_policy(role: str) -> None:
    text = json.dumps(filled(role, Names(account="1", key_arn="arn:aws:kms:eu-west-1:1:key/k")))
    assert [word for word in Names().placeholders if word in text] == []


def resources(role: str, names: Names) -> set[str]:
    return {resource for _, _, resource, _ in normalised(filled(role, names))}


def test_ip_sets_of_cloudfront_are_global_ones_in_us_east_1_wherever_the_queue_is() -> None:
    names = Names(account="1", region="eu-west-1", scope="CLOUDFRONT")
    found = resources("worker", names)
    assert "arn:aws:wafv2:us-east-1:1:global/ipset/f2b-ipv?/*" in found
    assert "arn:aws:sqs:eu-west-1:1:f2b" in found
    assert "arn:aws:wafv2:eu-west-1:1:regional/ipset/f2b-ipv?/*" in resources(
        "worker", Names(account="1", region="eu-west-1")
    )


def test_the_arns_of_another_partition_are_written_with_its_name() -> None:
    found = resources("producer", Names(account="1", region="cn-north-1", partition="aws-cn"))
    assert found == {"arn:aws-cn:sqs:cn-north-1:1:f2b"}


def test_policies_that_say_the_same_are_equal_however_they_are_put_together() -> None:
    together = {"Statement": [{"Sid": "A", "Effect": "Allow", "Action": ["x:B", "x:A"], "Resource": "r"}]}
    apart = {
        "Statement": [
            {"Effect": "Allow", "Action": "x:A", "Resource": ["r"]},
            {"Effect": "Allow", "Action": "x:B", "Resource": ["r"]},
        ]
    }
    assert normalised(together) == normalised(apart)


@pytest.mark.parametrize(
    "other",
    [
        {"Effect": "Deny", "Action": "x:A", "Resource": "r"},
        {"Effect": "Allow", "Action": "x:B", "Resource": "r"},
        {"Effect": "Allow", "Action": "x:A", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "x:A",
            "Resource": "r",
            "Condition": {"Bool": {"aws:SecureTransport": "true"}},
        },
    ],
)
def test_policies_that_say_something_else_differ(other: dict[str, object]) -> None:
    one = {"Effect": "Allow", "Action": "x:A", "Resource": "r"}
    assert normalised({"Statement": [one]}) != normalised({"Statement": [other]})


@pytest.mark.parametrize("scope", ["REGIONAL", "CLOUDFRONT"])
def test_the_commands_of_the_page_put_the_same_names_in(scope: str) -> None:
    commands = re.findall(r"```sh\n(sed .*?) >worker\.json\n```", (FOLDER / "README.md").read_text(), re.DOTALL)
    command = dict(zip(["REGIONAL", "CLOUDFRONT"], commands, strict=True))[scope]
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=FOLDER.parents[1], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == filled("worker", Names(region="eu-west-1", scope=scope))
