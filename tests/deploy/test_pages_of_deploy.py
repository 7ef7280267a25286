"""What the pages about deploy/ have their reader do to the manifests, done to a copy of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.conftest import ROOT
from tests.deploy.manifests import FOLDER, containers, documents, of_kind, rendered

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "how-to" / "kubernetes.md"
_OURS = re.compile(r"<!-- not run: tests/deploy/test_pages_of_deploy\.py [^>]*-->\n\n```sh\n(.*?)```", re.DOTALL)


def test_the_lines_of_the_page_make_an_overlay_with_another_account_and_region(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "deploy" / "kubernetes")
    lines = _OURS.findall(PAGE.read_text())
    assert len(lines) == 2, "the page has fewer commands than it had, or marks them in another way"

    done = subprocess.run(
        ["bash", "-euc", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    mine = tmp_path / "deploy" / "kubernetes" / "overlays" / "mine"
    assert done.stdout == rendered(mine)
    for of_the_example in ("123456789012", "eu-west-1"):
        assert of_the_example not in done.stdout
    found = tuple(documents(done.stdout))
    assert {one.environment["AWS_REGION"] for one in containers(found)} == {"eu-central-1"}
    assert len(of_kind(found, "ServiceAccount")) == 2


def test_every_folder_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(deploy/kubernetes/[\w/-]*)`", PAGE.read_text()))
    folders = {
        f"deploy/kubernetes/{path.parent.relative_to(FOLDER)}/" for path in FOLDER.rglob("kustomization.yaml")
    }

    assert named - {"deploy/kubernetes/"} == folders
