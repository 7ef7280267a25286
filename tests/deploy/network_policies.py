"""Who may speak with whom by the NetworkPolicies, as Kubernetes' page on them has it: no more than ours need."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from tests.deploy.manifests import of_kind

if TYPE_CHECKING:
    from tests.deploy.manifests import Document


@dataclass(frozen=True)
class Peer:
    """Somebody: an address outside, or a Pod in a namespace."""

    address: str | None = None
    namespace: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Port:
    """A port of the Pod that is called; by its name, too, where the Pod has one."""

    number: int
    protocol: str = "TCP"
    name: str | None = None


def allows(found: tuple[Document, ...], labels: dict[str, str], way: str, peer: Peer, port: Port) -> bool:
    """Say whether a Pod with *labels* may hear from *peer* (`Ingress`), or call it (`Egress`)."""
    policies = [
        each["spec"]
        for each in of_kind(found, "NetworkPolicy")
        if each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        and way in each["spec"]["policyTypes"]
    ]
    rules = [rule for spec in policies for rule in spec.get(way.lower()) or ()]
    return not policies or any(_matches(rule, way, peer, port) for rule in rules)


def _matches(rule: dict[str, Any], way: str, peer: Peer, port: Port) -> bool:
    peers = rule.get("from" if way == "Ingress" else "to")
    return (peers is None or any(_is(peer, each) for each in peers)) and any(
        each["protocol"] == port.protocol and each["port"] in (port.number, port.name) for each in rule["ports"]
    )


def _is(peer: Peer, selector: dict[str, Any]) -> bool:
    if "ipBlock" in selector:
        return peer.address is not None and ip_address(peer.address) in ip_network(selector["ipBlock"]["cidr"])
    assert selector.keys() == {"namespaceSelector"}, "this reader knows no other"
    wanted = selector["namespaceSelector"].get("matchLabels", {})
    return peer.address is None and wanted.items() <= peer.namespace.items()
