"""Environments of the emulators' own, below ``.emu``: they pin libraries that we do not want beside ours."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMULATORS = ROOT / ".emu"


class LocalAwsError(Exception):
    """The local AWS could not be installed, started or reached."""


def ensure_environment(name: str, requirements: tuple[str, ...], python: Path) -> Path:
    """Return the interpreter of the environment ``.emu/NAME``, made now if need be.

    Two processes that ask at once share one installation, and one that was
    interrupted or made for other requirements is made again.

    Raises:
        LocalAwsError: with the installer's own words.
    """
    folder = EMULATORS / name
    stamp = folder / ".f2b-installed"
    wanted = "\n".join([str(python), *requirements])
    interpreter = folder / "bin" / "python"
    EMULATORS.mkdir(exist_ok=True)
    with (EMULATORS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.is_file() and stamp.read_text() == wanted and interpreter.exists()):
            print(f"Installing {requirements[0]} into .emu/{name} (once)", file=sys.stderr, flush=True)
            _install(folder, requirements, python)
            stamp.write_text(wanted)
    return interpreter


def _install(folder: Path, requirements: tuple[str, ...], python: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = _find_uv()
    if uv is not None:
        _run(uv, "venv", "--quiet", "--python", str(python), str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), *requirements)
    else:
        _run(str(python), "-m", "venv", str(folder))
        _run(str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *requirements)


def _find_uv() -> str | None:
    for candidate in (Path(sys.executable).parent / "uv", ROOT / ".venv/bin/uv"):
        if os.access(candidate, os.X_OK):
            return str(candidate)
    return shutil.which("uv")


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalAwsError(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}".rstrip())
