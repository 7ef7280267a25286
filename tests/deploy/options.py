"""What a stack, or the module, can be asked for, in an account of its own."""

from __future__ import annotations

from contextlib import closing
from secrets import randbelow
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localstack.local_aws import LocalAws

BALANCER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"


def an_account() -> str:
    """Name an account for what several tests share; one test alone has the fixture `account`."""
    return str(300_000_000_000 + randbelow(600_000_000_000))


def everything(aws: LocalAws, account: str) -> dict[str, str]:
    """Switch every option on, with a network and a topic that are there."""
    with closing(aws.client("ec2", account=account)) as ec2, closing(aws.client("sns", account=account)) as sns:
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        blocks = ("10.0.1.0/24", "10.0.2.0/24")
        subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=each)["Subnet"]["SubnetId"] for each in blocks]
        topic = sns.create_topic(Name="wake-somebody")["TopicArn"]
    return {
        "SetsPerFamily": "5",
        "ProtectedResourceArn": BALANCER,
        "AlarmTopicArn": topic,
        "Image": "f2b:0.2.0",
        "VpcId": vpc,
        "SubnetIds": ",".join(subnets),
        "AssignPublicIp": "true",
    }
