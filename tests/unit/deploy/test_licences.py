"""The licences of all that is installed with f2b: each lets everybody run it, change it and pass it on."""

from __future__ import annotations

import re
from importlib.metadata import metadata, version

import pytest

from tests.conftest import ROOT

PERMISSIVE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "PSF-2.0"}
_BY_CLASSIFIER = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
}
_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)
SHIPPED = dict(_PINNED.findall((ROOT / "deploy" / "requirements.txt").read_text("utf-8")))


def licences_of(package: str) -> set[str]:
    told = metadata(package)
    if "License-Expression" in told:
        return set(re.split(r" (?:AND|OR) ", told["License-Expression"]))
    if "License" in told and told["License"] in PERMISSIVE:
        return {told["License"]}
    return {_BY_CLASSIFIER.get(each, each) for each in told.get_all("Classifier", []) if "License ::" in each}


@pytest.mark.parametrize("package", SHIPPED)
def test_what_ships_with_f2b_is_under_a_licence_that_lets_everybody_use_it(package: str) -> None:
    licences = licences_of(package)
    assert licences
    assert licences - PERMISSIVE == set()


@pytest.mark.parametrize("package", SHIPPED)
def test_what_ships_is_what_was_tested(package: str) -> None:
    assert version(package) == SHIPPED[package]
