"""The Kubernetes manifests as Kustomize renders them, and what they say."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from tests.conftest import ROOT, skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("base", *sorted(f"overlays/{path.name}" for path in (FOLDER / "overlays").iterdir()))
TOKEN = "a-token-of-this-test"

Document = dict[str, Any]


def rendered(overlay: Path) -> str:
    """Render an overlay, as `kubectl apply --kustomize` does before it sends anything."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        skip_or_fail("no kubectl: install Debian's or Kubernetes' own package")
    done = subprocess.run([kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> list[Document]:
    return [each for each in yaml.safe_load_all(text) if each]


@cache
def overlay(name: str) -> tuple[Document, ...]:
    """The documents of one of ours."""
    return tuple(documents(rendered(FOLDER / name)))


def of_kind(found: tuple[Document, ...], kind: str) -> list[Document]:
    return [each for each in found if each["kind"] == kind]


def named(found: tuple[Document, ...], kind: str, name: str) -> Document:
    (document,) = [each for each in of_kind(found, kind) if each["metadata"]["name"] == name]
    return document


@dataclass(frozen=True)
class Container:
    """A container of a Deployment, with the documents around it."""

    deployment: str
    pod: Document
    itself: Document
    around: tuple[Document, ...]

    @property
    def name(self) -> str:
        return f"{self.deployment}/{self.itself['name']}"

    @property
    def is_ours(self) -> bool:
        """Whether it runs the image f2b; the other ones stand for an application."""
        image: str = self.itself["image"]
        return image.rpartition("/")[2].partition(":")[0] == "f2b"

    @property
    def command(self) -> list[str]:
        return [*self.itself["command"], *self.itself.get("args", ())]

    @property
    def environment(self) -> dict[str, str]:
        """What the container's process finds in its environment."""
        found: dict[str, str] = {}
        for each in self.itself.get("envFrom", ()):
            found |= named(self.around, "ConfigMap", each["configMapRef"]["name"])["data"]
        return found | {each["name"]: _value(each) for each in self.itself.get("env", ())}

    @property
    def files(self) -> Iterator[tuple[str, str, str]]:
        """Where ConfigMaps are mounted: the folder, and each file's name and text."""
        volumes = {each["name"]: each for each in self.pod["volumes"]}
        for mount in self.itself.get("volumeMounts", ()):
            held = volumes[mount["name"]].get("configMap")
            if held:
                data = named(self.around, "ConfigMap", held["name"])["data"]
                yield from ((mount["mountPath"], name, text) for name, text in data.items())


def _value(variable: Mapping[str, Any]) -> str:
    source = variable.get("valueFrom", {})
    if "secretKeyRef" in source:
        return TOKEN
    if "fieldRef" in source:
        return "a-pod"
    value: str = variable["value"]
    return value


def pods(found: tuple[Document, ...]) -> dict[str, Document]:
    """The Pods' specs, by the names of their Deployments."""
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in of_kind(found, "Deployment")}


def containers(found: tuple[Document, ...]) -> list[Container]:
    """Every container, those that run before others included."""
    return [
        Container(name, pod, itself, found)
        for name, pod in pods(found).items()
        for itself in [*pod.get("initContainers", ()), *pod["containers"]]
    ]


def container(found: tuple[Document, ...], name: str) -> Container:
    (one,) = [each for each in containers(found) if each.name == name]
    return one
