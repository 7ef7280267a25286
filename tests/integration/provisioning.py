"""An account of the local AWS, and commands that run in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from f2b_worker.cli.f2b import main
from f2b_worker.cli.worker import main as worker

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_wafv2 import WAFV2Client

    from localstack.local_aws import LocalAws

NAMES = ("--queue", "bans", "--table", "ledger", "--ip-set", "block")
WRITING = ("Create", "Set", "Update", "Put", "Delete", "Tag")


@dataclass
class Cloud:
    """The local AWS without WAF's quotas, in an account of this test's own."""

    aws: LocalAws
    account: str
    sqs: SQSClient
    dynamodb: DynamoDBClient
    waf: WAFV2Client

    def writes(self) -> dict[str, int]:
        """The calls so far that change something."""
        calls = self.aws.edge.calls()
        return {name: number for name, number in calls.items() if name.split(":")[1].startswith(WRITING)}

    def queue(self, name: str, **attributes: str) -> str:
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]

    def attributes(self, name: str) -> dict[str, str]:
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return {str(key): value for key, value in found.items()}

    def ip_set(self, name: str, family: str = "IPV4") -> None:
        self.waf.create_ip_set(
            Name=name,
            Scope="REGIONAL",
            IPAddressVersion=family,  # type: ignore[arg-type]
            Addresses=[],
        )

    def ip_sets(self) -> list[str]:
        return [each["Name"] for each in self.waf.list_ip_sets(Scope="REGIONAL")["IPSets"]]


def start(*arguments: str) -> Result:
    """Run `f2b-worker`, in a test in which it does not come to work."""
    return CliRunner().invoke(worker, arguments, prog_name="f2b-worker")


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, prog_name="f2b", input=typed)


def provisioned(*arguments: str) -> list[str]:
    answer = run("provision", *arguments)
    assert answer.exit_code == 0, answer.output
    return answer.stdout.splitlines()


def refusal(answer: Result) -> str:
    """The one line with which a command ends that cannot start."""
    assert answer.exit_code == 3, answer.output
    told = [line for line in answer.stderr.splitlines() if line.startswith(("f2b: ", "f2b-worker: "))]
    assert len(told) == 1
    return told[0]
