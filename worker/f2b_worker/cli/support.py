"""`f2b support`: what a maintainer asks for first, in one file and without secrets."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.doctor import findings_of
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, say_lines, show_document
from f2b_worker.errors import F2bError, RefusedError
from f2b_worker.query.status import look, status_object
from f2b_worker.query.wording import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from f2b_worker.config.operator import OperatorSettings

PACKAGES = ("f2b-worker", "f2b-producer", "boto3", "botocore", "click", "pydantic", "structlog", "uvicorn")
_SECRET = re.compile(r"(?i)token|secret|password|key|credential|\burls?\b|\bnotices\b")
_HIDDEN = "(left out)"
_OF_NOTICES = re.compile(r"\s*\[\s*[\"']?notices\b")
_PLAIN = frozenset(
    "to on jails severity group_wait group_max fleet topic bus timeout allow_private".split()  # noqa: SIM905
)
"""The keys of `[notices]` that hold no secret."""


@click.command(epilog="Example: f2b support --table f2b")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file. By default f2b-support-TIME.zip."
)
@ledger_options("queue", "ip_set", "scope")
@json_option
def support(*, output: Path | None, as_json: bool, **given: Any) -> None:
    """Write a zip for a bug report, without secrets.

    It holds versions, settings, the jails file, what f2b status and f2b doctor say, and the variables F2B_… and
    AWS_…, of which whatever may be a secret is left out. Addresses in the jails file stay: look before you send
    it.
    """
    settings = settings_of(given, role="status")
    made = rfc3339(SystemClock().now_ms() // 1000 * 1000).replace(":", "")
    path = output or Path(f"f2b-support-{made}.zip")
    parts: dict[str, str] = {
        "versions.json": _text(_versions()),
        "settings.json": _text({name: str(getattr(settings, name)) for name in settings.__slots__}),
        "environment.json": _text(_environment()),
        "status.json": _asked(lambda: status_object(look(settings))),
        "doctor.json": _asked(lambda: [each.as_object() for each in findings_of(settings)]),
    }
    if settings.config:
        parts["f2b.toml"] = _file(settings)
    try:
        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, text in parts.items():
                archive.writestr(name, text)
    except OSError as error:
        raise RefusedError(f"{path}: cannot be written: {error.strerror}") from error
    if as_json:
        show_document({"file": str(path), "parts": list(parts)})
    else:
        say_lines([f"{path}: {', '.join(parts)}"])


def _text(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _asked(ask: Callable[[], object]) -> str:
    """Write down an answer, or why there is none: that is worth as much."""
    try:
        return _text(ask())
    except F2bError as error:
        return _text({"error": str(error)})


def _versions() -> dict[str, str]:
    found = {"python": sys.version, "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _environment() -> dict[str, str]:
    ours = {name: value for name, value in sorted(os.environ.items()) if name.startswith(("F2B_", "AWS_"))}
    return {name: _HIDDEN if _SECRET.search(name) else value for name, value in ours.items()}


def _file(settings: OperatorSettings) -> str:
    """Copy the file, but for the values of whatever may be a secret."""
    assert settings.config
    lines = settings.config.read_text("utf-8", "replace").splitlines()
    return "\n".join(_without_secrets(lines)) + "\n"


def _without_secrets(lines: Iterable[str]) -> Iterator[str]:
    """Leave out of the tables of notices whatever is not known to be none: a URL of a chat is a secret, too."""
    is_of_notices = False
    for line in lines:
        if line.lstrip().startswith("["):
            is_of_notices = _OF_NOTICES.match(line) is not None
        yield _of_notices(line) if is_of_notices else _without_secret(line)


def _of_notices(line: str) -> str:
    name, is_, _ = line.partition("=")
    key = name.strip()
    is_plain = key in _PLAIN or key.endswith("_env") or not line.strip() or line.lstrip().startswith(("[", "#"))
    return line if is_plain else f"{name if is_ else ''}# {_HIDDEN}"


def _without_secret(line: str) -> str:
    name, is_, _ = line.partition("=")
    return f"{name}= # {_HIDDEN}" if is_ and _SECRET.search(name) else line
