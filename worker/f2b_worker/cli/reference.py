"""Writes docs/settings.md: `python -m f2b_worker.cli.reference`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from f2b_worker.cli.options import default_text
from f2b_worker.config.loading import env_name, option_name
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.shim_settings import ShimSettings

if TYPE_CHECKING:
    from pydantic import BaseModel

_HEAD = """\
# Settings

This page is generated from the settings models by `make docs`; do not edit it. A setting can be given in several
places. The first of these wins: the command line, the environment, the `[worker]` table of the `--config` file,
the default. A misspelt `F2B_…` variable or key is refused.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, _table("f2b-worker", WorkerSettings), _table("f2b-shim", ShimSettings)])


def _table(command: str, model: type[BaseModel]) -> str:
    rows = [
        f"## `{command}`",
        "",
        "| option | environment | default | what, in which unit, and why |",
        "|---|---|---|---|",
    ]
    for name, field in model.model_fields.items():
        default = default_text(field) or "none"
        rows.append(f"| `{option_name(name)}` | `{env_name(name)}` | {default} | {field.description} |")
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
