"""What a release says of what pip-audit reports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.audited import said_of

SKIPPED: dict[str, Any] = {"name": "six", "skip_reason": "Dependency not found on PyPI"}
WELL: dict[str, Any] = {"name": "click", "version": "8.5.1", "vulns": []}
BAD: dict[str, Any] = {"name": "uvicorn", "version": "0.1", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize("text", ["", report(SKIPPED)])
def test_a_release_goes_on_where_no_database_can_be_reached_and_says_that_nothing_was_looked_up(text: str) -> None:
    lines, is_well = said_of(text, 1)
    assert is_well
    assert lines == ["release: no database of vulnerabilities can be reached from here: nothing was looked up"]


@pytest.mark.parametrize("text", ["", report(SKIPPED)])
def test_a_release_with_a_tag_is_refused_where_nothing_was_looked_up(text: str) -> None:
    lines, is_well = said_of(text, 1, "v0.2.0")
    assert not is_well
    assert lines == ["release: no database of vulnerabilities can be reached from here: nothing was looked up"]
    assert said_of(report(WELL), 0, "v0.2.0") == ([], True)


def test_a_release_with_a_known_vulnerability_is_refused_and_the_package_is_named() -> None:
    lines, is_well = said_of(report(WELL, BAD), 1)
    assert not is_well
    assert lines == ["release: uvicorn 0.1 is vulnerable: PYSEC-1, PYSEC-2"]


def test_a_release_in_which_nothing_is_known_to_be_vulnerable_has_nothing_to_say() -> None:
    assert said_of(report(WELL), 0) == ([], True)


def test_packages_that_could_not_be_looked_up_are_counted() -> None:
    assert said_of(report(WELL, SKIPPED), 0) == (["release: only 1 of 2 packages could be looked up"], True)


def test_an_audit_that_failed_by_itself_is_no_release() -> None:
    assert said_of(report(WELL), 1) == ([], False)
