"""Policies, roles and security groups; CloudFormation makes up the names of these."""

from __future__ import annotations

import json
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from tests.deploy.shapes import arguments
from tests.deploy.template import Known

if TYPE_CHECKING:
    from tests.deploy.makers.maker import HasClients


class ManagedPolicy:
    """AWS::IAM::ManagedPolicy."""

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        asked = self.asked(clients, properties)
        text = json.dumps(asked["PolicyDocument"])
        assert len(text.replace(" ", "")) <= 6144, (
            f"IAM allows no policy as long as this one: {asked['Description']}"
        )
        more = arguments(
            clients["iam"], "CreatePolicy", asked | {"PolicyDocument": text, "PolicyName": _made_up()}
        )
        return Known(clients["iam"].create_policy(**more)["Policy"]["Arn"])

    def asked(self, _clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        return properties

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        policy = clients["iam"].get_policy(PolicyArn=known.ref)["Policy"]
        version = clients["iam"].get_policy_version(PolicyArn=known.ref, VersionId=policy["DefaultVersionId"])
        return {**policy, "PolicyDocument": version["PolicyVersion"]["Document"]}


class Role:
    """AWS::IAM::Role, with the policies that are attached to it and its own."""

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        iam, asked = clients["iam"], self.asked(clients, properties)
        attached, own = asked.pop("ManagedPolicyArns", []), asked.pop("Policies", [])
        trust = json.dumps(asked["AssumeRolePolicyDocument"])
        plain = asked | {"AssumeRolePolicyDocument": trust, "RoleName": _made_up()}
        made = iam.create_role(**arguments(iam, "CreateRole", plain))["Role"]
        for arn in attached:
            iam.attach_role_policy(RoleName=made["RoleName"], PolicyArn=arn)
        for each in own:
            document = json.dumps(each["PolicyDocument"])
            iam.put_role_policy(RoleName=made["RoleName"], PolicyName=each["PolicyName"], PolicyDocument=document)
        return Known(made["RoleName"], {"Arn": made["Arn"]})

    def asked(self, _clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        return dict(properties)

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        iam, name = clients["iam"], known.ref
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        own = [iam.get_role_policy(RoleName=name, PolicyName=each) for each in self._own(iam, name)]
        return {
            **iam.get_role(RoleName=name)["Role"],
            "ManagedPolicyArns": [each["PolicyArn"] for each in attached],
            "Policies": own,
        }

    def _own(self, iam: Any, name: str) -> list[str]:
        names: list[str] = iam.list_role_policies(RoleName=name)["PolicyNames"]
        return names


class SecurityGroup:
    """AWS::EC2::SecurityGroup; a new one lets everything out, and one with egress of its own only that."""

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        ec2 = clients["ec2"]
        description = properties["GroupDescription"]
        group = ec2.create_security_group(GroupName=_made_up(), Description=description, VpcId=properties["VpcId"])
        made = ec2.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"][0]
        ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=made["IpPermissionsEgress"])
        ec2.authorize_security_group_egress(GroupId=group["GroupId"], IpPermissions=_permissions(ec2, properties))
        return Known(group["GroupId"], {"GroupId": group["GroupId"]})

    def asked(self, _clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        assert not properties.keys() - {"GroupDescription", "VpcId", "SecurityGroupEgress"}
        out = properties["SecurityGroupEgress"]
        return {
            "Description": properties["GroupDescription"],
            "VpcId": properties["VpcId"],
            "IpPermissions": [],
            "out": sorted(
                (each["FromPort"], each["ToPort"], each.get("CidrIp", each.get("CidrIpv6"))) for each in out
            ),
        }

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        group = clients["ec2"].describe_security_groups(GroupIds=[known.ref])["SecurityGroups"][0]
        out = [
            (each["FromPort"], each["ToPort"], _address(where))
            for each in group["IpPermissionsEgress"]
            for where in [*each.get("IpRanges", []), *each.get("Ipv6Ranges", [])]
        ]
        return {**group, "out": sorted(out)}


def _address(each: dict[str, Any]) -> str:
    return str(each.get("CidrIp", each.get("CidrIpv6")))


def _made_up() -> str:
    """Make up a name."""
    return f"f2b-{token_hex(6)}"


def _permissions(ec2: Any, properties: dict[str, Any]) -> list[dict[str, Any]]:
    permissions = []
    for each in properties["SecurityGroupEgress"]:
        kind, address = ("IpRanges", "CidrIp") if "CidrIp" in each else ("Ipv6Ranges", "CidrIpv6")
        where = {address: each[address], "Description": each["Description"]}
        ports = {key: each[key] for key in ("IpProtocol", "FromPort", "ToPort")}
        permissions.append({**ports, kind: [where]})
    asked = {"GroupId": "sg-0", "IpPermissions": permissions}
    spelt: list[dict[str, Any]] = arguments(ec2, "AuthorizeSecurityGroupEgress", asked)["IpPermissions"]
    return spelt
