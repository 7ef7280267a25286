"""What stands between clients and servers: each proxy on a setting."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from demo import proxies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Front(NamedTuple):
    """A proxy and its setting.

    Attributes:
        program: A starter of `demo/proxies.py`; without one, clients connect to the servers themselves.
        server: The line of one server, with `{n}` and `{port}`.
        rest: All else, with `{port}` for the proxy's own and `{servers}` for those lines.
    """

    program: str = ""
    server: str = ""
    rest: str = ""


_NGINX = """
upstream f2b {{
{servers}
%s
}}
server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://f2b; %s }}
}}
"""
_KEPT = 'proxy_http_version 1.1; proxy_set_header Connection "";'
_HAPROXY = """
frontend clients
    bind 127.0.0.1:{port}
    default_backend f2b
backend f2b
    balance roundrobin
%s
{servers}
"""
_CHECKED = """
    option httpchk GET /readyz
    http-check expect status 200
    option redispatch 1
"""
_APACHE = """
LoadModule slotmem_shm_module /usr/lib/apache2/modules/mod_slotmem_shm.so
LoadModule proxy_balancer_module /usr/lib/apache2/modules/mod_proxy_balancer.so
LoadModule lbmethod_byrequests_module /usr/lib/apache2/modules/mod_lbmethod_byrequests.so
Listen 127.0.0.1:{port}
<Proxy balancer://f2b>
{servers}
</Proxy>
ProxyPass / balancer://f2b/
"""
_HCHECK = """
LoadModule proxy_hcheck_module /usr/lib/apache2/modules/mod_proxy_hcheck.so
"""
_MEMBER = "    BalancerMember http://127.0.0.1:{port}"
_ASKED = "hcmethod=GET hcuri=/readyz hcinterval=1 hcpasses=1 hcfails=1"
_VARNISH = """
import directors;
probe ready {{ .url = "/readyz"; .interval = 0.5s; .timeout = 1s; .window = 2; .threshold = 2; .initial = 2; }}
{servers}
sub vcl_init {{
    new f2b = directors.round_robin();
    f2b.add_backend(s0);
    f2b.add_backend(s1);
}}
sub vcl_recv {{
    set req.backend_hint = f2b.backend();
    return (pass);
}}
"""
_CHECKED_SERVER = "    server s{n} 127.0.0.1:{port} check inter 500ms fall 1 rise 1"
_NEVER_AVOIDED = "server 127.0.0.1:{port} max_fails=0;"
FRONTS = {
    "none: clients go round": Front(),
    "nginx, defaults": Front("nginx", "server 127.0.0.1:{port};", _NGINX % ("", "")),
    "nginx, max_fails=0": Front("nginx", _NEVER_AVOIDED, _NGINX % ("", "")),
    "nginx, keepalive 16": Front("nginx", "server 127.0.0.1:{port};", _NGINX % ("keepalive 16;", _KEPT)),
    "nginx, max_fails=0, keepalive 16": Front("nginx", _NEVER_AVOIDED, _NGINX % ("keepalive 16;", _KEPT)),
    "HAProxy, no checks": Front("haproxy", "    server s{n} 127.0.0.1:{port}", _HAPROXY % ""),
    "HAProxy, httpchk /readyz": Front("haproxy", _CHECKED_SERVER, _HAPROXY % _CHECKED),
    "Apache, balancer": Front("apache", _MEMBER, _APACHE),
    "Apache, retry=1": Front("apache", f"{_MEMBER} retry=1", _APACHE),
    "Apache, retry=1, hcuri=/readyz": Front("apache", f"{_MEMBER} retry=1 {_ASKED}", _HCHECK + _APACHE),
    "Varnish, probe /readyz": Front(
        "varnish", 'backend s{n} {{ .host = "127.0.0.1"; .port = "{port}"; .probe = ready; }}', _VARNISH
    ),
}
STANDALONE, HELD = "standalone", "handed socket"
FRONTS_OF_ONE = {
    "standalone, nginx": FRONTS["nginx, defaults"],
    "standalone with a handed socket, nginx": FRONTS["nginx, defaults"],
    "one shim, nginx": FRONTS["nginx, defaults"],
    "one shim with a handed socket, nginx": FRONTS["nginx, defaults"],
    "standalone, HAProxy, retries 20": Front(
        "haproxy", "    server s{n} 127.0.0.1:{port}", _HAPROXY % "    retries 20"
    ),
}
"""Before one server that nobody stands in for."""


@contextmanager
def standing(front: Front, folder: Path, port: int, servers: Sequence[int]) -> Iterator[list[int]]:
    """Start a proxy in front of servers; tell the ports that clients connect to."""
    if not front.program:
        yield list(servers)
        return
    lines = [front.server.format(n=number, port=each) for number, each in enumerate(servers)]
    with getattr(proxies, front.program)(folder, port, front.rest.format(port=port, servers="\n".join(lines))):
        yield [port]
