"""What .ci/run brings along: all that tests run of Debian's."""

from __future__ import annotations

import re

from tests.conftest import ROOT
from tests.debian import PACKAGES

RUN = (ROOT / ".ci/run").read_text("utf-8")


def test_whatever_program_a_test_may_lack_is_installed_by_ci() -> None:
    asked = re.findall(r'^  unless "[^"]*" ([^#\n]+)', RUN, re.MULTILINE)
    assert set(PACKAGES.values()) - {package for packages in asked for package in packages.split()} == set()


def test_ci_installs_in_one_call_and_starts_no_daemon() -> None:
    assert len(re.findall(r"apt-get\b.* install ", RUN)) == 1
    order = ["update-rc.d", "trap finish EXIT", "exit 101", " install --"]
    assert sorted(order, key=RUN.index) == order
