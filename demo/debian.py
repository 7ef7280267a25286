"""Programs of Debian's packages."""

from __future__ import annotations

import os
import shutil

PROXIES = {
    "apache2": "apache2-bin",
    "haproxy": "haproxy",
    "nginx": "nginx",
    "stunnel4": "stunnel4",
    "varnishd": "varnish",
}
"""In which package each proxy is."""


class NotInstalledError(Exception):
    """This machine lacks a program."""


def installed(name: str, package: str) -> str:
    """Find a program of this package; a server is in a folder that only root searches.

    Raises:
        NotInstalledError: If it is not here.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise NotInstalledError(f"{name} is not here: apt-get install {package}")
    return found
