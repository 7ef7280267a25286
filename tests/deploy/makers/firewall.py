"""AWS::WAFv2: the properties are the arguments of the Create calls; the strict edge answers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.deploy.makers.maker import ByOneCall, HasClients
from tests.deploy.template import Known


@dataclass(frozen=True, slots=True)
class Waf(ByOneCall):
    """An IP set, a rule group or a web ACL.

    Attributes:
        kind: As the API names it.
        noun: As botocore's methods do.
    """

    kind: str
    noun: str
    service: str = "wafv2"

    @property
    def operation(self) -> str:  # type: ignore[override]
        return f"Create{self.kind}"

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        asked = self.asked(clients, properties)
        made = getattr(clients["wafv2"], f"create_{self.noun}")(**asked)["Summary"]
        return Known(f"{asked['Name']}|{made['Id']}|{asked['Scope']}", {"Arn": made["ARN"], "Id": made["Id"]})

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        name, made_id, scope = known.ref.split("|")
        answer = getattr(clients["wafv2"], f"get_{self.noun}")(Name=name, Id=made_id, Scope=scope)
        return {**answer[self.kind], "Scope": scope}


class Association(ByOneCall):
    """AWS::WAFv2::WebACLAssociation."""

    service = "wafv2"
    operation = "AssociateWebACL"

    def make(self, clients: HasClients, properties: dict[str, Any]) -> Known:
        asked = self.asked(clients, properties)
        clients["wafv2"].associate_web_acl(**asked)
        return Known(f"{asked['WebACLArn']}|{asked['ResourceArn']}")

    def read(self, clients: HasClients, known: Known) -> dict[str, Any]:
        acl, _, resource = known.ref.partition("|")
        found = clients["wafv2"].list_resources_for_web_acl(WebACLArn=acl)["ResourceArns"]
        return {"WebACLArn": acl, "ResourceArn": resource if resource in found else found}
