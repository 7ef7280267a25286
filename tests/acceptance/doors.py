"""A shim in front of a real queue, and the ways to it that clients have: at its own port, and through proxies."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from demo.fleet import NAME, Fleet, free_port
from demo.proxies import apache, haproxy, nginx, stunnel
from tests.acceptance.certificates import made
from tests.docs.blocks import blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localstack.local_aws import LocalAws
    from tests.acceptance.certificates import Certificate

TOKEN = "0123456789abcdef"
_NGINX = """
server {{
    listen 127.0.0.1:{port};
    client_max_body_size 4m;
    proxy_ignore_client_abort on; # or it gives those up that end their half of the connection after their request
    location / {{ proxy_pass http://{to}; }}
}}
"""
_NGINX_KEPT = """
upstream to{port} {{ server {to}; keepalive 16; }}
server {{
    listen 127.0.0.1:{port};
    client_max_body_size 4m;
    proxy_ignore_client_abort on;
    location / {{
        proxy_pass http://to{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
    }}
}}
"""
_HAPROXY = """
frontend at{port}
    bind 127.0.0.1:{port}
    default_backend to{port}
backend to{port}
    server shim {to}
"""
_APACHE = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    ProxyPass / http://{to}/
</VirtualHost>
"""
_PROXIES = {
    "nginx": (nginx, _NGINX),
    "nginx-kept": (nginx, _NGINX_KEPT),
    "haproxy": (haproxy, _HAPROXY),
    "apache": (apache, _APACHE),
}
DOORS = ("direct", *_PROXIES)
_TLS = {
    "tls-nginx": (nginx, "nginx", "ssl_certificate"),
    "tls-haproxy": (haproxy, "text", "ssl crt"),
    "tls-stunnel": (stunnel, "ini", "accept"),
}
TLS_DOORS = tuple(_TLS)
"""Those of docs/shim.md."""


class Door(NamedTuple):
    """A way to the shim, and one to the shim whose rate limit is used up."""

    url: str
    limited_url: str


def _as_documented(door: str, port: int, to: str, certificate: Path) -> str:
    """Read the configuration of a TLS door out of docs/shim.md; ports and files are changed, nothing else."""
    _, language, word = _TLS[door]
    (block,) = (each for each in blocks_of("docs/shim.md") if each.language == language and word in each.text)
    text = block.text
    for written, here in (("8443", str(port)), ("127.0.0.1:8000", to), ("/etc/f2b/tls", str(certificate))):
        assert written in text, f"{block.place} has no {written}"
        text = text.replace(written, here)
    return text


class Doors:
    """The shims, and the proxies that were asked for.

    Args:
        fleet: Has the shim, which wants `TOKEN`.
        limited: Has another, which has answered as often as it does within minutes.
        folder: For the proxies.
    """

    def __init__(self, fleet: Fleet, limited: Fleet, folder: Path, stack: ExitStack) -> None:
        self._fleet = fleet
        self._folder = folder
        self._stack = stack
        self._open = {"direct": Door(fleet.shim_url, limited.shim_url)}
        self._stored: Counter[tuple[str, str]] = Counter()

    def door(self, name: str) -> Door:
        """Find a way in; a proxy is started when it is first asked for."""
        if name in _TLS and name not in self._open:
            ports = (free_port(), free_port())
            for number, (port, to) in enumerate(zip(ports, self._targets(), strict=True)):
                text = _as_documented(name, port, to, self.certificate.folder)
                # What nginx would refuse by itself; the shim's own limit is lower.
                larger = "client_max_body_size 4m;\n" if name == "tls-nginx" else ""
                self._stack.enter_context(_TLS[name][0](self._folder / f"{name}-{number}", port, larger + text))
            self._open[name] = Door(*(f"https://127.0.0.1:{port}" for port in ports))
        if name not in self._open:
            start, site = _PROXIES[name]
            ports = (free_port(), free_port())
            sites = [site.format(port=port, to=to) for port, to in zip(ports, self._targets(), strict=True)]
            self._stack.enter_context(start(self._folder / name, ports[0], "".join(sites)))
            self._open[name] = Door(*(f"http://127.0.0.1:{port}" for port in ports))
        return self._open[name]

    @cached_property
    def certificate(self) -> Certificate:
        """That of the doors with TLS."""
        return made(self._folder / "tls")

    def _targets(self) -> list[str]:
        return [url.removeprefix("http://") for url in self._open["direct"]]

    def stored(self, door: str) -> Counter[tuple[str, str]]:
        """Count what is stored of one door: jail and address, how often."""
        self._stored += _taken(self._fleet)
        return Counter({at: count for at, count in self._stored.items() if at[0].startswith(f"{door}.")})


@contextmanager
def opened(aws: LocalAws, account: str, folder: Path) -> Iterator[Doors]:
    """Start the shims."""
    with ExitStack() as stack:
        fleet, limited = (stack.enter_context(Fleet(aws, folder / "none.toml", account=account)) for _ in range(2))
        fleet.sqs.create_queue(QueueName=NAME)
        for each, options in ((fleet, ()), (limited, ("--rate-limit", "0.001"))):
            each.environment["F2B_TOKEN"] = TOKEN
            each.start_shim(*options)
        limited.get("/infraction/203.0.113.1")  # not even with a token may another come for a quarter of an hour
        yield Doors(fleet, limited, folder, stack)


def _taken(fleet: Fleet) -> Counter[tuple[str, str]]:
    """Take every infraction out of the queue."""
    taken: Counter[tuple[str, str]] = Counter()
    while True:
        answer = fleet.sqs.receive_message(QueueUrl=fleet.queue_url, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        for message in messages:
            pack = json.loads(message["Body"])
            taken.update(_infractions(pack))
            fleet.sqs.delete_message(QueueUrl=fleet.queue_url, ReceiptHandle=message["ReceiptHandle"])
        if not messages:
            return taken


def _infractions(pack: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Read jails and addresses of a pack, as docs/wire.md has it."""
    numbers = range(len(pack["dt_ms"]))
    jails = pack.get("jail", ["default"])
    for place, jail in zip(pack.get("of", numbers), pack.get("in", [0] * len(numbers)), strict=True):
        yield jails[jail], pack["ip"][place]
