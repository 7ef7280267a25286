"""The Pythons that are on this machine: ``python -m localstack.pythons`` names them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST_MINOR, NEWEST_MINOR = 11, 14  # as pyproject.toml wants it, and as Python itself is


def find_python(minor: int) -> Path | None:
    """Return a Python 3.*minor* that really runs, or None.

    Looked for in F2B_PYTHON313 (for 13), in this process, on the PATH and among pyenv's. pyenv leaves a
    ``python3.13`` on the PATH that fails when that version is not switched on, hence the trial.
    """
    show = f"import sys; print(sys.executable if sys.version_info[:2] == (3, {minor}) else '')"
    for candidate in _candidates(minor):
        try:
            tried = subprocess.run(
                [candidate, "-c", show], capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if tried.returncode == 0 and tried.stdout.strip():
            return Path(tried.stdout.strip())
    return None


def _candidates(minor: int) -> Iterator[str]:
    if named := os.environ.get(f"F2B_PYTHON3{minor}"):
        yield named
    if sys.version_info[:2] == (3, minor):
        yield sys.executable
    if on_path := shutil.which(f"python3.{minor}"):
        yield on_path
    for pyenv in sorted(Path.home().glob(f".pyenv/versions/3.{minor}*/bin/python")):
        yield str(pyenv)


def main() -> None:
    """Say which of the versions that the producer is made for are here, and which are not."""
    minors = range(OLDEST_MINOR, NEWEST_MINOR + 1)
    here = [minor for minor in minors if find_python(minor)]
    print("Pythons here:", ", ".join(f"3.{minor}" for minor in here))
    for minor in minors:
        if minor not in here:
            print(f"No Python 3.{minor} here: nothing is tried on it. F2B_PYTHON3{minor} may name one.")


if __name__ == "__main__":
    main()
