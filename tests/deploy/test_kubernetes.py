"""The manifests of deploy/kubernetes, rendered: they are valid, and they fit what worker and shim really are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.errors import StartError
from tests.conftest import ROOT, skip_or_fail
from tests.deploy.command_lines import understood
from tests.deploy.manifests import (
    FOLDER,
    OVERLAYS,
    TOKEN,
    Container,
    Document,
    container,
    containers,
    documents,
    named,
    of_kind,
    overlay,
    pods,
    rendered,
)
from tests.deploy.network_policies import Peer, Port, allows
from tests.deploy.references import dangling, ports_of

TOOLS = ROOT / ".tools" / "bin"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "schemas").iterdir()}
PRODUCTION = "overlays/production"
OURS = [(name, each) for name in OVERLAYS for each in containers(overlay(name)) if each.is_ours]
ALL = pytest.mark.parametrize("name", OVERLAYS)
EACH_OF_OURS = pytest.mark.parametrize(
    "one", [each for _, each in OURS], ids=[f"{name}:{each.name}" for name, each in OURS]
)
OUTSIDE = Peer(address="203.0.113.7")


def checked(texts: dict[str, str], folder: Path) -> tuple[int, str]:
    """Hold texts against Kubernetes' own schemas; unknown fields are errors."""
    validate = TOOLS / "kubernetes-validate"
    if not validate.exists():
        skip_or_fail("no kubernetes-validate: run make lint-deploy")
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    files = sorted(map(str, folder.glob("*.yaml")))
    done = subprocess.run([validate, "--strict", "--quiet", *files], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_overlay_is_valid_by_the_schema_of_each_of_its_kinds(tmp_path: Path) -> None:
    texts = {Path(name).name: rendered(FOLDER / name) for name in OVERLAYS}

    code, told = checked(texts, tmp_path)

    assert code == 0, told
    foreign = set(re.findall(r"Couldn't find schema for kind (\w+)", told))
    assert foreign == SCHEMAS.keys(), "a kind without a schema, or a schema that nothing needs"
    for document in (each for name in OVERLAYS for each in overlay(name)):
        if document["kind"] in foreign:
            Draft202012Validator(SCHEMAS[document["kind"]]).validate(document)


def test_a_field_that_is_misspelt_is_noticed_in_kubernetes_kinds_and_in_others(tmp_path: Path) -> None:
    text = rendered(FOLDER / PRODUCTION)
    scaled = named(overlay(PRODUCTION), "ScaledObject", "f2b-worker")

    code, told = checked({"wrong": text.replace("terminationGracePeriodSeconds", "gracePeriod")}, tmp_path)

    assert code != 0
    assert "gracePeriod" in told
    with pytest.raises(ValidationError, match="minReplicas"):
        Draft202012Validator(SCHEMAS["ScaledObject"]).validate(
            {**scaled, "spec": {**scaled["spec"], "minReplicas": 2}}
        )


@EACH_OF_OURS
def test_every_command_line_and_variable_is_understood_by_the_real_command(one: Container, tmp_path: Path) -> None:
    settings = understood(*on_this_machine(one, tmp_path))

    assert settings.queue


def on_this_machine(one: Container, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Put the container's files into a folder, and name them there."""
    environment = one.environment
    for place, name, text in one.files:
        (folder / name).write_text(text)
        environment = {key: value.replace(place, str(folder)) for key, value in environment.items()}
    return one.command, environment


def test_a_variable_that_is_no_setting_and_an_option_that_is_none_are_noticed(tmp_path: Path) -> None:
    command, environment = on_this_machine(container(overlay("base"), "f2b-worker/worker"), tmp_path)

    with pytest.raises(StartError, match="F2B_IPSET is not a setting"):
        understood(command, environment | {"F2B_IPSET": "f2b"})
    with pytest.raises(Exception, match="--ipset"):
        understood([*command, "--ipset", "f2b"], environment)


def test_the_variables_that_a_service_with_our_name_would_bring_stop_a_worker(tmp_path: Path) -> None:
    """So the Pods ask for no such variables, and the Service has another name: for Pods of somebody else."""
    found = overlay(PRODUCTION)
    command, environment = on_this_machine(container(found, "f2b-worker/worker"), tmp_path)

    with pytest.raises(StartError, match=r"F2B_SHIM_PORT .* enableServiceLinks: false"):
        understood(command, environment | {"F2B_SHIM_PORT": "tcp://10.0.0.1:80"})

    assert [pod["enableServiceLinks"] for pod in pods(found).values()] == [False, False]
    assert not [each for each in of_kind(found, "Service") if each["metadata"]["name"].startswith("f2b")]


def test_one_image_is_everywhere() -> None:
    images = {one.itself["image"].rpartition("/")[2] for _, one in OURS}

    assert len(images) == 1, images


@ALL
def test_every_container_is_locked_in_as_pod_security_restricted_asks_and_its_root_is_read_only(name: str) -> None:
    found = overlay(name)
    for pod in pods(found).values():
        assert pod["automountServiceAccountToken"] is False
        rights = pod["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (rights["runAsUser"], rights["runAsGroup"]) == (65532, 65532)
    for one in containers(found):
        assert one.itself["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one.itself["resources"].keys() == {"requests", "limits"}, one.name
    enforced = [each["metadata"]["labels"] for each in of_kind(found, "Namespace")]
    assert [each["pod-security.kubernetes.io/enforce"] for each in enforced] == ["restricted"]


@ALL
def test_everything_that_is_named_is_there(name: str) -> None:
    assert dangling(overlay(name)) == []


def test_a_name_that_leads_nowhere_is_noticed() -> None:
    text = rendered(FOLDER / PRODUCTION)
    text = text.replace(
        "containerPort: 9100\n          name: metrics", "containerPort: 9100\n          name: other"
    )
    text = text.replace("sizeLimit: 64Mi\n        name: tmp", "sizeLimit: 64Mi\n        name: temp")

    told = dangling(tuple(documents(text)))

    assert "f2b-worker/worker: port metrics" in told
    assert "{'app.kubernetes.io/name': 'f2b-worker'}: port metrics" in told
    assert "f2b-shim/shim: volume tmp" in told


def test_probes_and_services_call_the_port_on_which_the_process_listens() -> None:
    found = overlay(PRODUCTION)
    worker, shim = container(found, "f2b-worker/worker"), container(found, "f2b-shim/shim")

    assert ports_of(worker.pod) == {"metrics": int(worker.environment["F2B_METRICS_PORT"])}
    assert ports_of(shim.pod) == {"http": int(shim.environment["F2B_PORT"])}
    assert worker.environment["F2B_METRICS_HOST"] == "0.0.0.0"


def test_a_pod_has_longer_to_stop_than_the_worst_stop_takes() -> None:
    found = overlay(PRODUCTION)
    (worker_s,) = re.findall(r"0 after (\d+\.\d) s", (ROOT / "docs/operations.md").read_text())
    (shim_s,) = re.findall(r"ends with exit code 0, within (\d+)\s+seconds", (ROOT / "docs/shim.md").read_text())

    for name, worst_s in (("f2b-worker", worker_s), ("f2b-shim", shim_s)):
        pod = pods(found)[name]
        container = pod["containers"][0]
        drain_s = {each["name"]: each.get("value") for each in container.get("env", [])}.get("F2B_DRAIN_S", "0")
        assert pod["terminationGracePeriodSeconds"] >= float(drain_s) + float(worst_s)
        assert "lifecycle" not in container, "a hook takes of the same time"


def test_a_worker_may_take_as_long_to_start_as_its_patience_with_aws_is_before_the_kubelet_kills_it() -> None:
    """Three services have 30 s each, and a new queue a minute: docs/operations.md, "The start" and "The queue"."""
    probe = container(overlay("base"), "f2b-worker/worker").itself["startupProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] >= 3 * 30 + 60


def test_keda_never_takes_the_last_workers_away_and_reads_the_queue_that_they_read() -> None:
    found = overlay(PRODUCTION)
    spec = named(found, "ScaledObject", "f2b-worker")["spec"]
    target = container(
        found, f"{spec['scaleTargetRef']['name']}/{spec['scaleTargetRef']['envSourceContainerName']}"
    )
    (trigger,) = spec["triggers"]

    assert 1 < spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
    assert "idleReplicaCount" not in spec
    assert trigger["metadata"]["queueURLFromEnv"] in target.environment
    assert trigger["metadata"]["awsRegion"] == target.environment["AWS_REGION"]
    assert named(found, "TriggerAuthentication", trigger["authenticationRef"]["name"])
    assert "replicas" not in named(found, "Deployment", "f2b-worker")["spec"], "each apply would set it back"


@pytest.mark.parametrize("name", ["base", PRODUCTION])
def test_workers_and_shims_without_keda_are_two_and_one_may_always_be_replaced(name: str) -> None:
    found = overlay(name)
    for each in of_kind(found, "Deployment"):
        scaled = each["metadata"]["name"] == "f2b-worker" and name == PRODUCTION
        assert scaled or each["spec"]["replicas"] == 2
        assert each["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        budget = named(found, "PodDisruptionBudget", each["metadata"]["name"])["spec"]
        assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def labels_of(found: tuple[Document, ...], name: str) -> dict[str, str]:
    labels: dict[str, str] = named(found, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
    return labels


@pytest.mark.parametrize("name", ["f2b-worker", "f2b-shim"])
def test_a_pod_reaches_names_aws_and_who_gives_its_credentials_out_and_nobody_else(name: str) -> None:
    found = overlay(PRODUCTION)
    labels = labels_of(found, name)
    dns = Peer(namespace={"kubernetes.io/metadata.name": "kube-system"})
    agent, agent_6, node = (Peer(address=each) for each in ("169.254.170.23", "fd00:ec2::23", "169.254.169.254"))

    for peer, port in (
        (dns, Port(53, "UDP")),
        (dns, Port(53)),
        (Peer(address="169.254.20.10"), Port(53, "UDP")),
        (OUTSIDE, Port(443)),
        (agent, Port(80)),
        (agent_6, Port(80)),
    ):
        assert allows(found, labels, "Egress", peer, port), (peer, port)
    for peer, port in ((OUTSIDE, Port(80)), (node, Port(80)), (dns, Port(8080))):
        assert not allows(found, labels, "Egress", peer, port), (peer, port)


def test_prometheus_reaches_the_metrics_and_pods_the_shim_and_nobody_else_anything() -> None:
    found = overlay(PRODUCTION)
    worker, shim = labels_of(found, "f2b-worker"), labels_of(found, "f2b-shim")
    prometheus = Peer(namespace={"kubernetes.io/metadata.name": "monitoring"})
    client = Peer(namespace={"kubernetes.io/metadata.name": "shop"})
    metrics, http = Port(9100, name="metrics"), Port(8000, name="http")

    assert allows(found, worker, "Ingress", prometheus, metrics)
    assert allows(found, shim, "Ingress", prometheus, http)
    assert allows(found, shim, "Ingress", client, http)
    assert not allows(found, worker, "Ingress", client, metrics)
    assert not allows(found, worker, "Ingress", OUTSIDE, metrics)
    assert not allows(found, shim, "Ingress", OUTSIDE, http)
    assert not allows(overlay("base"), worker, "Ingress", prometheus, metrics), "the component lets it in"


def test_no_token_is_in_a_manifest_and_the_shim_asks_everybody_for_one() -> None:
    for name in (PRODUCTION, "overlays/pod-identity"):
        found = overlay(name)
        shim = container(found, "f2b-shim/shim")
        (token,) = [each for each in shim.itself["env"] if each["name"] == "F2B_TOKEN"]

        assert token["valueFrom"] == {"secretKeyRef": {"name": "f2b-shim", "key": "tokens"}}
        assert of_kind(found, "Secret") == []


def test_with_irsa_each_service_account_names_a_role_of_its_own() -> None:
    accounts = of_kind(overlay(PRODUCTION), "ServiceAccount")
    roles = {
        each["metadata"]["name"]: each["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].rpartition("/")[2]
        for each in accounts
    }

    assert roles == {"f2b-worker": "f2b-worker", "f2b-shim": "f2b-shim"}
    assert not any(
        "annotations" in each["metadata"] for each in of_kind(overlay("overlays/pod-identity"), "ServiceAccount")
    )


def test_another_region_and_queue_in_a_copied_overlay_arrive_everywhere(tmp_path: Path) -> None:
    copied = tmp_path / "kubernetes"
    shutil.copytree(FOLDER, copied)
    place = copied / PRODUCTION / "kustomization.yaml"
    text = place.read_text().replace("AWS_REGION=eu-west-1", "AWS_REGION=ap-south-1")
    place.write_text(text.replace("F2B_QUEUE=f2b", "F2B_QUEUE=bans"))

    found = tuple(documents(rendered(copied / PRODUCTION)))

    variables = [one.environment for one in containers(found)]
    assert {(each["AWS_REGION"], each["F2B_QUEUE"]) for each in variables} == {("ap-south-1", "bans")}
    (trigger,) = named(found, "ScaledObject", "f2b-worker")["spec"]["triggers"]
    assert trigger["metadata"]["awsRegion"] == "ap-south-1"


def test_changed_jails_give_the_configmap_another_name_so_that_the_pods_are_replaced(tmp_path: Path) -> None:
    copied = tmp_path / "kubernetes"
    shutil.copytree(FOLDER, copied)
    (copied / PRODUCTION / "f2b.toml").write_text("[defaults]\nmaxretry = 3\n")

    def volumes(found: tuple[Document, ...]) -> Any:
        return pods(found)["f2b-worker"]["volumes"][0]["configMap"]["name"]

    assert volumes(tuple(documents(rendered(copied / PRODUCTION)))) != volumes(overlay(PRODUCTION))


def test_the_settings_of_each_pod_say_what_its_role_needs(tmp_path: Path) -> None:
    found = overlay(PRODUCTION)
    worker = understood(*on_this_machine(container(found, "f2b-worker/worker"), tmp_path))
    shim = understood(*on_this_machine(container(found, "f2b-shim/shim"), tmp_path))

    assert isinstance(worker, WorkerSettings)
    assert worker.ip_set
    assert worker.processes == 1, "the default is one for each core of the node"
    assert isinstance(shim, ShimSettings)
    assert [each.get_secret_value() for each in shim.token] == [TOKEN]
