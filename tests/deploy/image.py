"""The image of deploy/Dockerfile, really built: without a Docker engine and without an image registry.

buildah builds it. The base that its FROM names cannot be had without a registry. Debian's packages stand in for
it: mmdebstrap makes a root of the same release of Debian, with the same minor version of Python. Both tools have
to run as root. Base and image are kept in `.emu`, and are made again when something changed that they are made of.

    python -m tests.deploy.image

builds it ahead of the tests, which wait for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _pytest.outcomes import Failed, Skipped

from localstack.environments import EMULATORS
from tests.conftest import ROOT, skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = EMULATORS / "image"
BASE, NAME = "localhost/f2b-base", "localhost/f2b"
DEBIAN = "trixie"
PACKAGES = "python3,python3-venv,ca-certificates"
NEEDED = ("buildah", "mmdebstrap", "unshare", "nsenter", "setpriv")
# All that .dockerignore lets through.
INPUTS = (
    ".dockerignore",
    "LICENSE",
    "README.md",
    "deploy/Dockerfile",
    "deploy/requirements.txt",
    "deploy/uv.txt",
    "producer",
    "pyproject.toml",
    "worker",
)
REVISION = "0123456789abcdef"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Image:
    """What a container starts from.

    Attributes:
        root: The folder with all its files.
        config: What the Dockerfile says of user, variables, health check and so on, in Docker's words.
        bytes_over_base: What its own layers hold.
    """

    root: Path
    config: dict[str, Any]
    bytes_over_base: int


def built() -> Image:
    """Return the image, built now if need be; two processes that ask at once share one build."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        remedy = "apt-get install buildah mmdebstrap util-linux"
        skip_or_fail(f"the image cannot be built without {', '.join(missing)}: {remedy}")
    if os.geteuid():
        skip_or_fail(
            "the image cannot be built: buildah and mmdebstrap make it without a Docker engine as root alone"
        )
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        skip_or_fail("the image cannot be run: this machine gives no process mounts and process ids of its own")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _alone():
        _make_base()
        return _make_image()


def main() -> None:
    """Build it; a reason why not is said again, and counted, by the tests."""
    try:
        built()
    except (AssertionError, Failed, Skipped) as reason:
        sys.exit(f"The image is not built: {reason}")


def version() -> str:
    """Tell the version of f2b, as a release says it to the build."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return found


@contextmanager
def _alone() -> Iterator[None]:
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_base() -> None:
    """Make what FROM names, once."""
    wanted = f"{DEBIAN} {PACKAGES}"
    stamp = FOLDER / "base.json"
    if stamp.is_file() and json.loads(stamp.read_text("utf-8"))["made_of"] == wanted:
        return
    for each in ("storage", "run"):
        shutil.rmtree(FOLDER / each, ignore_errors=True)
    (FOLDER / "image.json").unlink(missing_ok=True)
    container = _buildah("from", "scratch")
    root = _buildah("mount", container)
    options = ("--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}")
    try:
        _run("mmdebstrap", *options, DEBIAN, root)
    except AssertionError as error:  # a laptop may be offline
        skip_or_fail(f"the image has no base: {error}")
    size = _bytes_in(root)
    _buildah("commit", "--quiet", "--rm", container, BASE)
    stamp.write_text(json.dumps({"made_of": wanted, "bytes": size}), "utf-8")


def _make_image() -> Image:
    stamp = FOLDER / "image.json"
    key = _key()
    kept = json.loads(stamp.read_text("utf-8")) if stamp.is_file() else {}
    if kept.get("key") != key:
        stamp.unlink(missing_ok=True)
        kept = {"key": key, **_build()}
        stamp.write_text(json.dumps(kept), "utf-8")
    return Image(Path(kept["root"]), kept["config"], kept["bytes_over_base"])


def _key() -> str:
    """Tell by their content whether the same files were built before."""
    digest = hashlib.sha256()
    for name in INPUTS:
        path = ROOT / name
        files = [each for each in path.rglob("*") if "__pycache__" not in each.parts] if path.is_dir() else [path]
        for file in sorted(each for each in files if each.is_file()):
            digest.update(f"{file.relative_to(ROOT)} {file.stat().st_size}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _build() -> dict[str, Any]:
    _buildah("rm", "--all")
    given = (f"PYTHON={BASE}", f"VERSION={version()}", f"REVISION={REVISION}")
    arguments = [f"--build-arg={each}" for each in given]
    what = (f"--tag={NAME}", f"--file={ROOT / 'deploy/Dockerfile'}", str(ROOT))
    options = ("--pull-never", "--format=docker", "--layers=false", *_index_settings())
    _buildah("build", *options, *arguments, *what)
    _buildah("rmi", "--prune")  # the one before
    root = _buildah("mount", _buildah("from", "--pull-never", NAME))
    of_base = json.loads((FOLDER / "base.json").read_text("utf-8"))["bytes"]
    config = json.loads(_buildah("inspect", "--type=image", NAME))["Docker"]["config"]
    return {"root": root, "config": config, "bytes_over_base": _bytes_in(root) - of_base}


def _bytes_in(folder: str) -> int:
    """Count what the files in there take."""
    return int(_run("du", "--block-size=1", "--summarize", folder).split()[0])


def _index_settings() -> list[str]:
    """Let pip and uv in the build reach the package index as they do on this machine; nothing of it stays."""
    folder = FOLDER / "index"
    (folder / "uv").mkdir(parents=True, exist_ok=True)
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
    (folder / "pip.conf").write_text(
        f"[global]\ncert = {CERTIFICATES}\n" + (f"index-url = {index}\n" if index else ""), "utf-8"
    )
    (folder / "uv/uv.toml").write_text(
        "system-certs = true\n" + (f'index-url = "{index}"\n' if index else ""), "utf-8"
    )
    bundle = os.environ.get("SSL_CERT_FILE", CERTIFICATES)
    places = {folder / "pip.conf": "/etc/pip.conf", folder / "uv": "/etc/uv", bundle: CERTIFICATES}
    return [f"--volume={here}:{there}:ro" for here, there in places.items()]


def _buildah(*arguments: str) -> str:
    storage = ("--storage-driver=vfs", f"--root={FOLDER / 'storage'}", f"--runroot={FOLDER / 'run'}")
    return _run("buildah", *storage, *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(
        command,
        env=os.environ | {"BUILDAH_ISOLATION": "chroot"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


if __name__ == "__main__":
    main()
