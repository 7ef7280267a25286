"""The pages name the versions of the proxies that are run. A release of Debian keeps all but their last number."""

from __future__ import annotations

import platform
import re
import subprocess
from contextlib import suppress

import pytest

from tests.conftest import ROOT, skip_or_fail
from tests.debian import program

PAGES = ("docs/shim.md", "docs/how-to/proxies.md")
ASKED = {
    "nginx": ("nginx", "-v"),
    "HAProxy": ("haproxy", "-v"),
    "Apache": ("apache2", "-v"),
    "stunnel": ("stunnel4", "-version"),
    "Varnish": ("varnishd", "-V"),
}
WRITTEN = re.compile(rf"({'|'.join(ASKED)})(?: with \w+)?(?: | \| )(\d+\.\d+)\b")


def debian() -> str:
    """Tell which Debian this is; elsewhere there are other versions."""
    with suppress(OSError):
        system = platform.freedesktop_os_release()
        if system["ID"] == "debian":
            return system.get("VERSION_ID", "testing")
    return ""


@pytest.mark.skipif(not debian(), reason="the pages name the programs of Debian")
@pytest.mark.parametrize("page", PAGES)
def test_the_versions_that_a_page_names_are_those_that_the_tests_run(page: str) -> None:
    written = sorted(set(WRITTEN.findall((ROOT / page).read_text("utf-8"))))
    assert {name for name, _ in written} >= {"nginx", "HAProxy", "Apache"}
    wrong = [f"{name} {here}, not {version}" for name, version in written if (here := run(name)) != version]
    if wrong:
        skip_or_fail(f"{page}: write {'; '.join(wrong)}; and Debian {debian()}")


def run(name: str) -> str:
    command, option = ASKED[name]
    done = subprocess.run([program(command), option], capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+", done.stdout + done.stderr)
    assert found, done
    return found.group()
