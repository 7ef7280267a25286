"""What the workflows may do: zizmor and the schema look at their form (`make release`), this at our own rules."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from f2b_worker import __version__
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))
MAY_WRITE = {
    "ci.yml": {},
    "image.yml": {"image": {"packages", "id-token"}},
    "release.yml": {"attest": {"id-token", "attestations"}, "publish": {"id-token"}, "announce": {"contents"}},
}


def jobs(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    found: dict[str, Any] = loaded["jobs"]
    return found


def test_the_workflows_are_those_whose_rights_are_listed_here() -> None:
    assert set(MAY_WRITE) == set(WORKFLOWS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_writes_nowhere_but_where_it_must(name: str) -> None:
    rights = {
        job: {right for right, level in told.get("permissions", {}).items() if level == "write"}
        for job, told in jobs(name).items()
    }
    assert {job: held for job, held in rights.items() if held} == MAY_WRITE[name]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_takes_actions_by_their_commit_and_reads_no_secret(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each)] == []
    assert "secrets." not in text


def test_what_is_published_was_built_in_a_job_that_may_write_nowhere() -> None:
    release = jobs("release.yml")
    assert release["build"]["permissions"] == {"contents": "read"}
    assert (release["attest"]["needs"], release["publish"]["needs"]) == ("build", "attest")
    commands = [step["run"] for step in release["build"]["steps"] if "run" in step]
    assert commands == ["make release"]


@pytest.mark.parametrize(("tag", "code"), [(f"v{__version__}", 0), ("v9.9.9", 1), (__version__, 1)])
def test_an_image_is_built_only_of_the_version_that_its_tag_names(tag: str, code: int, tmp_path: Path) -> None:
    first = next(step for step in jobs("image.yml")["image"]["steps"] if "run" in step)
    output = tmp_path / "output"
    environment = {"TAG": tag, "GITHUB_OUTPUT": str(output), "PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", "-e", "-c", first["run"]], cwd=ROOT, env=environment, check=False)
    assert done.returncode == code
    assert not output.exists() if code else output.read_text() == f"version={__version__}\n"


def test_an_image_says_its_version_and_its_commit() -> None:
    steps = jobs("image.yml")["image"]["steps"]
    (build,) = (step for step in steps if step.get("uses", "").startswith("docker/build-push-action@"))
    given = dict(line.split("=", 1) for line in build["with"]["build-args"].splitlines())
    assert given == {"VERSION": "${{ steps.version.outputs.version }}", "REVISION": "${{ github.sha }}"}
    assert steps.index(build) > next(number for number, step in enumerate(steps) if step.get("id") == "version")
    arguments = re.findall(r"^ARG (\w+)", (ROOT / "deploy" / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert given.keys() <= set(arguments)


def test_ci_takes_the_terraform_that_the_page_says_was_tried() -> None:
    (job,) = jobs("ci.yml").values()
    (step,) = (each for each in job["steps"] if "setup-terraform@" in each.get("uses", ""))
    page = (ROOT / "docs" / "how-to" / "terraform.md").read_text("utf-8")
    assert f"Terraform {step['with']['terraform_version']} with the provider" in page
    assert step["with"]["terraform_wrapper"] is False, "it would stand between the tests and the exit codes"


def test_ci_runs_what_must_pass_here() -> None:
    (job,) = jobs("ci.yml").values()
    assert job["steps"][-1]["run"].endswith("bash .ci/run")
