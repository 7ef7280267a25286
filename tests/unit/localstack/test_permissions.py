"""What the edge says that a call needs of IAM."""

import json

import pytest

from localstack.edge_http import Request
from localstack.permissions import needs_of

SET = "arn:aws:wafv2:us-east-1:000000000001:regional/ipset/f2b-ipv4/1"
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:000000000001:loadbalancer/app/web/1"


@pytest.mark.parametrize("action", ["TagResource", "UntagResource", "ListTagsForResource"])
def test_a_call_about_tags_needs_its_action_on_what_is_tagged(action: str) -> None:
    assert needs_of(call(action, ResourceARN=SET)) == [(f"wafv2:{action}", SET)]


def test_who_asks_for_the_web_acl_of_a_resource_needs_that_on_the_resource() -> None:
    needs = needs_of(call("GetWebACLForResource", ResourceArn=BALANCER))
    assert needs == [("wafv2:GetWebACLForResource", BALANCER)]


def call(action: str, **data: str) -> Request:
    return Request("POST", "/", {}, json.dumps(data).encode(), service="wafv2", action=action)
