"""Real proxies in front of a port, each of Debian and on a configuration of the caller's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demo.debian import PROXIES, installed
from demo.fleet import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""
_HAPROXY = """
global
    log stderr format raw local0
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
{rest}
"""
_STUNNEL = """
foreground = yes
pid =
syslog = no
output = {folder}/stunnel.log
{rest}
"""
_APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Mutex posixsem
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
{rest}
"""


@contextmanager
def nginx(folder: Path, port: int, http: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run nginx in a folder of its own until the block ends.

    Args:
        folder: For its configuration, its log `error.log` and its temporary files.
        port: One that *http* listens on, at 127.0.0.1; the block begins when it answers.
        http: What stands in its `http` block besides the places of its files.
    """
    # Its processes would give root up, and then may not enter the folder of a test of root's.
    user = "user root;" if os.getuid() == 0 else ""
    written = _written(folder / "nginx.conf", _NGINX.format(user=user, folder=folder, http=http))
    with _running("nginx", ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(written)], port) as it:
        yield it


@contextmanager
def haproxy(folder: Path, port: int, rest: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run HAProxy; as with nginx, *rest* has frontends and backends."""
    written = _written(folder / "haproxy.cfg", _HAPROXY.format(rest=rest))
    with _running("haproxy", ["-db", "-f", str(written)], port) as it:
        yield it


@contextmanager
def apache(folder: Path, port: int, rest: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Apache; as with nginx, *rest* has `Listen`, what else it loads, and where it passes requests to."""
    written = _written(folder / "apache.conf", _APACHE.format(folder=folder, rest=rest))
    with _running("apache2", ["-D", "FOREGROUND", "-f", str(written)], port) as it:
        yield it


@contextmanager
def varnish(folder: Path, port: int, rest: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Varnish, which needs a C compiler; as with nginx, *rest* has backends and subroutines."""
    written = _written(folder / "varnish.vcl", f"vcl 4.1;\n{rest}")
    places = ["-a", f"127.0.0.1:{port}", "-f", str(written), "-n", str(folder / "varnish")]
    # None of its jails: in them it would give root up, and then may not enter the folder of a test of root's.
    with _running("varnishd", ["-F", "-j", "none", "-s", "malloc,32m", *places], port) as it:
        yield it


@contextmanager
def stunnel(folder: Path, port: int, rest: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run stunnel; as with nginx, *rest* has its services."""
    written = _written(folder / "stunnel.conf", _STUNNEL.format(folder=folder, rest=rest))
    with _running("stunnel4", [str(written)], port) as it:
        yield it


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def listens(port: int) -> Callable[[], bool]:
    """Ask whether somebody takes connections at a port of 127.0.0.1."""

    def ask() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    return ask


@contextmanager
def _running(name: str, arguments: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([installed(name, PROXIES[name]), *arguments], start_new_session=True)
    try:
        eventually(listens(port), f"{name} listens", 30)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
