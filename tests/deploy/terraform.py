"""Terraform as it is on this machine, with AWS's provider from a folder: nothing is downloaded.

A provider has 700 MB, so it belongs to no environment of ours. Where it is missing, what needs it is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.module import snake
from tests.deploy.module_page import MODULE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROVIDER = "registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*"
CHOSEN = "F2B_TEST_TERRAFORM_PLUGINS"
USUAL = ("~/.terraform.d/plugins", "~/.terraform.d/plugin-cache", "/usr/local/share/terraform/plugins", "/opt/*")
LEADING_ASTRAY = ("TF_", "AWS_CA_BUNDLE")
"""Variables that would have Terraform work elsewhere, or otherwise; its endpoints here are plain HTTP."""


def program() -> str:
    """Find Terraform, or skip."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("no terraform on this machine")
    return found


def plugins() -> Path:
    """Find the folder of plugins that holds AWS's provider, or skip; one that was chosen must hold it."""
    chosen = os.environ.get(CHOSEN)
    for folder in [Path(chosen)] if chosen else _usual_folders():
        if next(folder.glob(PROVIDER), None):
            return folder
    if chosen:
        pytest.fail(f"{CHOSEN}={chosen} holds no {PROVIDER}")
    pytest.skip(f"no folder holds terraform's provider of AWS; {CHOSEN} names one")


def _usual_folders() -> Iterator[Path]:
    if cache := os.environ.get("TF_PLUGIN_CACHE_DIR"):
        yield Path(cache)
    for each in USUAL:
        pattern = Path(each).expanduser()
        yield from pattern.parent.glob(pattern.name)


def options(given: Mapping[str, str]) -> list[str]:
    """Write parameters of the template as what `terraform` takes for the example's variables."""
    return [f"-var={snake(name)}={_value(name, text)}" for name, text in given.items()]


def _value(name: str, text: str) -> str:
    return json.dumps(text.split(",")) if name == "SubnetIds" else text


class Terraform:
    """A copy of the module, in whose example `terraform` runs.

    Args:
        folder: Where to copy to.
        environment: Of `terraform`.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        kept = {name: value for name, value in environment.items() if not name.startswith(LEADING_ASTRAY)}
        ours = {
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
        }
        # Its garbage is collected a fourth as often: a third less of its time, and its memory is not ours.
        self._environment = {**kept, **ours, "GOGC": "400"}
        shutil.copytree(MODULE, folder / "module", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self._folder = folder / "module" / "examples" / "complete"
        self.run("init", "-backend=false", f"-plugin-dir={plugins()}")

    def run(self, command: str, *arguments: str, ends_with: int = 0) -> str:
        """Run a command to its end; answer what it says."""
        done = subprocess.run(
            [program(), command, "-no-color", *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == ends_with, f"terraform {command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def show(self, plan: str) -> dict[str, Any]:
        """Read a plan."""
        read: dict[str, Any] = json.loads(self.run("show", "-json", plan))
        return read
