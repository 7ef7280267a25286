"""What a call needs of IAM, by AWS's Service Authorization Reference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localstack.edge_http import Request
from localstack.permissions import needs_of

QUEUE = "arn:aws:sqs:us-east-1:000000000000:f2b"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/f2b"
SET = "arn:aws:wafv2:us-east-1:000000000000:regional/ipset/f2b-ipv4/id"
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/1"
URL = "http://127.0.0.1/000000000000/f2b"


def call(name: str, **data: Any) -> Request:
    service, action = name.split(":")
    return Request("POST", "/", {}, json.dumps(data).encode(), service=service, action=action)


@pytest.mark.parametrize("action", ["SendMessage", "DeleteMessage", "ChangeMessageVisibility"])
def test_a_batch_needs_the_permission_of_what_is_in_it(action: str) -> None:
    assert needs_of(call(f"sqs:{action}Batch", QueueUrl=URL)) == [(f"sqs:{action}", QUEUE)]


def test_a_queue_of_another_account_is_a_resource_of_that_account() -> None:
    found = needs_of(call("sqs:GetQueueUrl", QueueName="f2b", QueueOwnerAWSAccountId="111111111111"))
    assert found == [("sqs:GetQueueUrl", "arn:aws:sqs:us-east-1:111111111111:f2b")]


def test_a_transaction_needs_the_permission_of_each_thing_that_it_does() -> None:
    items = [{kind: {"TableName": "f2b"}} for kind in ("Put", "Update", "Delete", "ConditionCheck", "Put")]
    assert needs_of(call("dynamodb:TransactWriteItems", TransactItems=items)) == [
        ("dynamodb:ConditionCheckItem", TABLE),
        ("dynamodb:DeleteItem", TABLE),
        ("dynamodb:PutItem", TABLE),
        ("dynamodb:UpdateItem", TABLE),
    ]


@pytest.mark.parametrize(
    ("statement", "action"),
    [
        ('UPDATE "f2b" SET v = 1 WHERE pk = ? AND sk = ?', "PartiQLUpdate"),
        ("INSERT INTO \"f2b\" VALUE {'pk': ?}", "PartiQLInsert"),
        ('DELETE FROM "f2b" WHERE pk = ? AND sk = ?', "PartiQLDelete"),
        ('SELECT * FROM "f2b" WHERE pk = ?', "PartiQLSelect"),
    ],
)
def test_a_statement_of_partiql_needs_the_action_of_its_verb(statement: str, action: str) -> None:
    batch = call("dynamodb:BatchExecuteStatement", Statements=[{"Statement": statement}])
    assert needs_of(batch) == needs_of(call("dynamodb:ExecuteStatement", Statement=statement))
    assert needs_of(batch) == [(f"dynamodb:{action}", TABLE)]


def test_a_query_of_an_index_needs_the_index() -> None:
    found = needs_of(call("dynamodb:Query", TableName="f2b", IndexName="by-time"))
    assert found == [("dynamodb:Query", f"{TABLE}/index/by-time")]


@pytest.mark.parametrize(
    ("name", "data", "action"),
    [
        ("dynamodb:BatchGetItem", {"RequestItems": {"f2b": {}}}, "BatchGetItem"),
        ("dynamodb:BatchWriteItem", {"RequestItems": {"f2b": []}}, "BatchWriteItem"),
        ("dynamodb:TransactGetItems", {"TransactItems": [{"Get": {"TableName": "f2b"}}]}, "GetItem"),
        ("dynamodb:Scan", {"TableName": "f2b"}, "Scan"),
    ],
)
def test_reading_and_writing_several_items_needs_the_table(name: str, data: dict[str, Any], action: str) -> None:
    assert needs_of(call(name, **data)) == [(f"dynamodb:{action}", TABLE)]


@pytest.mark.parametrize(
    "name",
    ["wafv2:ListIPSets", "wafv2:ListWebACLs", "wafv2:ListRuleGroups", "sqs:ListQueues", "dynamodb:ListTables"],
)
def test_a_list_of_all_is_restricted_to_nothing(name: str) -> None:
    assert needs_of(call(name, Scope="REGIONAL")) == [(name, "*")]


def test_a_rule_group_needs_the_ip_sets_that_it_refers_to_as_well() -> None:
    references = [{"IPSetReferenceStatement": {"ARN": arn}} for arn in (SET, SET.replace("ipv4", "ipv6"))]
    rules = [{"Statement": {"OrStatement": {"Statements": references}}}]
    named = {"Name": "f2b", "Id": "g", "Scope": "REGIONAL"}
    assert needs_of(call("wafv2:UpdateRuleGroup", **named, Rules=rules)) == [
        ("wafv2:UpdateRuleGroup", SET),
        ("wafv2:UpdateRuleGroup", SET.replace("ipv4", "ipv6")),
        ("wafv2:UpdateRuleGroup", "arn:aws:wafv2:us-east-1:000000000000:regional/rulegroup/f2b/g"),
    ]


def test_an_ip_set_of_cloudfront_is_a_global_resource() -> None:
    ((_, resource),) = needs_of(call("wafv2:UpdateIPSet", Name="f2b-ipv4", Id="id", Scope="CLOUDFRONT"))
    assert resource == SET.replace("regional", "global")


def test_whose_account_it_is_needs_nothing() -> None:
    assert needs_of(call("sts:GetCallerIdentity")) == []


@pytest.mark.parametrize("action", ["TagResource", "UntagResource", "ListTagsForResource"])
def test_a_call_about_tags_needs_its_action_on_what_is_tagged(action: str) -> None:
    assert needs_of(call(f"wafv2:{action}", ResourceARN=SET)) == [(f"wafv2:{action}", SET)]


def test_who_asks_for_the_web_acl_of_a_resource_needs_that_on_the_resource() -> None:
    needs = needs_of(call("wafv2:GetWebACLForResource", ResourceArn=BALANCER))
    assert needs == [("wafv2:GetWebACLForResource", BALANCER)]
