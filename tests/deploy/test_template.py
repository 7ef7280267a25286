"""How the tests read a template: as CloudFormation does, and with an error for whatever they do not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.makers import MAKERS
from tests.deploy.shapes import UnknownPropertyError, arguments, differences
from tests.deploy.stack import Stack
from tests.deploy.template import TEMPLATE, Known, Place, Resolver, TemplateError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from localstack.local_aws import LocalAws

HERE = Place("123456789012")
NETWORK = {"VpcId": "vpc-1", "SubnetIds": "subnet-1, subnet-2"}


def resolver(region: str = "us-east-1", **given: str) -> Resolver:
    return Resolver(load(TEMPLATE), Place(HERE.account, region), given)


@pytest.mark.parametrize(
    ("region", "given", "told"),
    [
        ("eu-west-1", {"Scope": "CLOUDFRONT"}, "in us-east-1. Make this stack there."),
        ("us-east-1", {"Scope": "CLOUDFRONT", "ProtectedResourceArn": "arn:x"}, "names its web ACL itself"),
        ("us-east-1", {"Image": "f2b"}, "The ECS service needs VpcId."),
        ("us-east-1", {"Image": "f2b", "VpcId": "vpc-1"}, "The ECS service needs SubnetIds."),
        ("us-east-1", {"MinWorkers": "0"}, "MinWorkers: 0 is too small"),
        ("us-east-1", {"SetsPerFamily": "6"}, "SetsPerFamily: 6 is not allowed"),
        ("us-east-1", {"Name": "My_Fleet"}, "1 to 40 characters: lower-case letters"),
        ("us-east-1", {"Names": "f2b"}, "no parameters of the template: Names"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(
    region: str, given: dict[str, str], told: str
) -> None:
    with pytest.raises(TemplateError, match=told):
        resolver(region, **given)


@pytest.mark.parametrize("given", [{}, {"Scope": "CLOUDFRONT"}, {"Image": "f2b", **NETWORK}])
def test_what_can_work_is_not_refused(given: dict[str, str]) -> None:
    assert resolver(**given).wanted()


def test_every_type_of_the_template_has_a_maker() -> None:
    assert {each["Type"] for each in load(TEMPLATE)["Resources"].values()} == MAKERS.keys()


def test_the_template_is_small_enough_to_be_given_with_the_call_that_makes_the_stack() -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert TEMPLATE.stat().st_size <= 51_200


def test_every_number_of_sets_makes_as_many_of_each_family() -> None:
    for number in range(1, 6):
        wanted = resolver(SetsPerFamily=str(number)).wanted()
        sets = [name for name, each in wanted.items() if each["Type"] == "AWS::WAFv2::IPSet"]
        assert sets == [f"{family}Set{each}" for family in ("Ipv4", "Ipv6") for each in range(1, number + 1)]


def test_the_table_and_the_log_outlast_the_stack_and_nothing_else_does() -> None:
    kept = {
        name
        for name, each in load(TEMPLATE)["Resources"].items()
        if "Retain" in (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy"))
    }
    assert kept == {"Table", "LogGroup"}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(resources: str, more: str = "") -> Path:
        path = tmp_path / "template.yaml"
        path.write_text(f"Parameters: {{}}\nOutputs: {{}}\n{more}\nResources:\n{resources}")
        return path

    return write


class TestWhatIsNotKnown:
    @pytest.mark.parametrize("text", ["!Base64 x", "!ImportValue x", "!Split [a, b]"])
    def test_is_a_function(self, text: str, written: Callable[..., Path]) -> None:
        with pytest.raises(TemplateError, match="is not known here"):
            load(written(f"  A: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {text}}}}}"))

    def test_is_a_function_in_its_long_form(self, written: Callable[..., Path], local_aws: LocalAws) -> None:
        path = written("  A: {Type: AWS::SQS::Queue, Properties: {QueueName: {'Fn::Base64': x}}}")
        with pytest.raises(TemplateError, match="Fn::Base64 is not known here"):
            Stack(local_aws, path, HERE, {})

    def test_is_a_type(self, written: Callable[..., Path], local_aws: LocalAws) -> None:
        path = written("  A: {Type: AWS::S3::Bucket}")
        with pytest.raises(TemplateError, match="nobody here makes AWS::S3::Bucket"):
            Stack(local_aws, path, HERE, {})

    def test_is_a_section(self, written: Callable[..., Path]) -> None:
        with pytest.raises(TemplateError, match="Transform"):
            load(written("  A: {Type: AWS::SQS::Queue}", "Transform: AWS::LanguageExtensions"))

    def test_is_a_resource_that_is_not_made(self, written: Callable[..., Path], local_aws: LocalAws) -> None:
        path = written("  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref B}}")
        with pytest.raises(TemplateError, match="B is referred to, and was not made"):
            Stack(local_aws, path, HERE, {})

    def test_is_the_first_of_a_circle(self, written: Callable[..., Path], local_aws: LocalAws) -> None:
        path = written("  A: {Type: AWS::SQS::Queue, DependsOn: B}\n  B: {Type: AWS::SQS::Queue, DependsOn: A}")
        with pytest.raises(TemplateError, match="in a circle: A, B"):
            Stack(local_aws, path, HERE, {})


class TestProperties:
    @pytest.fixture
    def waf(self, local_aws: LocalAws) -> Iterator[Any]:
        client = local_aws.client("wafv2")
        yield client
        client.close()

    def test_are_spelt_as_the_api_does_and_have_its_types(self, waf: Any) -> None:
        given = {"WebACLArn": "arn:aws:wafv2:x:y:z/webacl", "resourcearn": "arn:aws:elasticloadbalancing:x:y:z"}
        assert arguments(waf, "AssociateWebACL", given).keys() == {"WebACLArn", "ResourceArn"}

    def test_that_the_api_does_not_know_are_an_error(self, waf: Any) -> None:
        with pytest.raises(UnknownPropertyError, match="AssociateWebACL has no Name"):
            arguments(waf, "AssociateWebACL", {"Name": "f2b"})

    def test_that_it_needs_must_be_there(self, waf: Any) -> None:
        with pytest.raises(ValueError, match='Missing required parameter in input: "ResourceArn"'):
            arguments(waf, "AssociateWebACL", {"WebACLArn": "arn:aws:wafv2:x:y:z/webacl"})

    @pytest.mark.parametrize(
        ("asked", "found", "told"),
        [
            ({"a": 1}, {"a": 1, "b": 2}, []),
            ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [".a.b[1]: 3 instead of 2"]),
            ({"a": 1}, {}, [".a: is not there"]),
            ({"a": [1]}, {"a": [1, 2]}, [".a: [1, 2] instead of [1]"]),
            ({"a": True}, {"a": "true"}, [".a: 'true' instead of True"]),
        ],
    )
    def test_that_are_not_there_as_they_were_asked_for_are_told(
        self, asked: Any, found: Any, told: list[str]
    ) -> None:
        assert differences(asked, found) == told


def test_functions_have_the_values_that_cloudformation_gives_them() -> None:
    one = resolver()
    one.made["Queue"] = Known("url", {"Arn": "arn"})
    tree = {
        "sub": {"Fn::Sub": ["${Name}-${Own}-${AWS::Region}-${Queue}-${Queue.Arn}", {"Own": {"Ref": "Action"}}]},
        "gone": {"Fn::If": ["HasService", 1, {"Ref": "AWS::NoValue"}]},
        "list": [{"Fn::If": ["HasService", 1, {"Ref": "AWS::NoValue"}]}, {"Fn::GetAtt": ["Queue", "Arn"]}],
        "map": {"Fn::FindInMap": ["Actions", {"Ref": "Action"}, "Priority"]},
        "join": {"Fn::Join": ["|", ["a", {"Ref": "Name"}]]},
        "statement": {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    }
    assert one.value(tree) == {
        "sub": "f2b-block-us-east-1-url-arn",
        "list": ["arn"],
        "map": 100,
        "join": "a|f2b",
        "statement": {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    }
