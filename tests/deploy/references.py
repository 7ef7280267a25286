"""What the manifests name by a name or by labels, and whether that is there: Kubernetes says it late or never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.deploy.manifests import containers, of_kind, pods

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.manifests import Document

Found = tuple["Document", ...]


def dangling(found: Found) -> list[str]:
    """Say what is named and is not there."""
    return [*_volumes(found), *_accounts(found), *_probed(found), *_unselected(found), *_called(found)]


def ports_of(pod: Document) -> dict[str, int]:
    """The ports of a Pod, by name."""
    return {port["name"]: port["containerPort"] for each in pod["containers"] for port in each.get("ports", ())}


def _volumes(found: Found) -> Iterator[str]:
    for one in containers(found):
        there = {each["name"] for each in one.pod["volumes"]}
        named = {each["name"] for each in one.itself["volumeMounts"]}
        yield from (f"{one.name}: volume {each}" for each in named - there)


def _accounts(found: Found) -> Iterator[str]:
    there = {each["metadata"]["name"] for each in of_kind(found, "ServiceAccount")}
    yield from (f"ServiceAccount of {name}" for name, pod in pods(found).items() if _account(pod) not in there)


def _account(pod: Document) -> Any:
    return pod["serviceAccountName"]


def _probed(found: Found) -> Iterator[str]:
    for one in containers(found):
        probes = [value for key, value in one.itself.items() if key.endswith("Probe")]
        named = {(each.get("httpGet") or each["tcpSocket"])["port"] for each in probes}
        yield from (f"{one.name}: port {each}" for each in named - ports_of(one.pod).keys())


_SELECTING = {"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector", "PodMonitor": "selector"}


def _unselected(found: Found) -> Iterator[str]:
    for kind, field in _SELECTING.items():
        for each in of_kind(found, kind):
            if not _selected(found, each["spec"][field]["matchLabels"]):
                yield f"{kind} {each['metadata']['name']}: no Pod"


def _called(found: Found) -> Iterator[str]:
    """The ports that Services and PodMonitors name of the Pods that they select."""
    for each in of_kind(found, "Service"):
        yield from _ports(found, each["spec"]["selector"], [port["targetPort"] for port in each["spec"]["ports"]])
    for each in of_kind(found, "PodMonitor"):
        named = [end["port"] for end in each["spec"]["podMetricsEndpoints"]]
        yield from _ports(found, each["spec"]["selector"]["matchLabels"], named)


def _ports(found: Found, labels: dict[str, str], named: list[str]) -> Iterator[str]:
    selected = _selected(found, labels)
    if len(selected) != 1:
        yield f"{labels} selects {len(selected)} Deployments"
    for pod in selected:
        yield from (f"{labels}: port {each}" for each in named if each not in ports_of(pod))


def _selected(found: Found, labels: dict[str, str]) -> list[Document]:
    templates = [each["spec"]["template"] for each in of_kind(found, "Deployment")]
    return [each["spec"] for each in templates if labels.items() <= each["metadata"]["labels"].items()]
