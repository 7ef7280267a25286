"""What others wrote is as it came, and its licence lies beside it."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from f2b_worker.dashboard.static_files import FOLDER

OURS = {"app.css", "app.js", "favicon.svg", "VENDOR.toml"}
FILES: list[dict[str, str]] = tomllib.loads((FOLDER / "VENDOR.toml").read_text("utf-8"))["file"]
GRANTS = {
    "0BSD": "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",
    "MIT": "Permission is hereby granted, free of charge, to any person obtaining a copy of this software",
    "ISC": "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",
}
"""How each licence begins, by its name."""


@pytest.mark.parametrize("each", FILES, ids=lambda each: each["file"])
def test_a_vendored_file_has_the_hash_that_is_noted(each: dict[str, str]) -> None:
    assert sha256((FOLDER / each["file"]).read_bytes()).hexdigest() == each["sha256"]


@pytest.mark.parametrize("each", FILES, ids=lambda each: each["file"])
def test_the_licence_of_a_vendored_file_lies_beside_it(each: dict[str, str]) -> None:
    text = " ".join((FOLDER / each["licence_file"]).read_text("utf-8").split())

    assert GRANTS[each["licence"]] in text


def test_whatever_is_served_is_ours_or_noted_as_somebody_elses() -> None:
    noted = {each[name] for each in FILES for name in ("file", "licence_file")}

    assert {path.name for path in FOLDER.iterdir()} == OURS | noted


def test_the_wheel_has_whatever_lies_in_the_package() -> None:
    settings: dict[str, Any] = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    backend = settings["tool"]["uv"]["build-backend"]

    assert settings["build-system"]["build-backend"] == "uv_build"
    assert backend == {"module-root": "worker"}, "uv's backend packs all files, unless told otherwise"
