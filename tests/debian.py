"""Programs of Debian's that tests run: proxies in front of the shim, and clients of it."""

from __future__ import annotations

from demo.debian import PROXIES, installed

PACKAGES = {
    **PROXIES,
    "ab": "apache2-utils",
    "busybox": "busybox",
    "curl": "curl",
    "go": "golang-go",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "keytool": "default-jdk-headless",
    "nc": "netcat-openbsd",
    "node": "nodejs",
    "openssl": "openssl",
    "perl": "libwww-perl",
    "php": "php-cli",
    "systemd-socket-activate": "systemd",
    "wget": "wget",
}
"""In which package each is; .ci/run installs all of them."""


def program(name: str) -> str:
    """Find a program; without it the test is skipped, or fails in CI."""
    return installed(name, PACKAGES[name])
