"""What the reader of a page has before he begins; a page without a scene begins in an empty folder."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from f2b_producer import Producer
from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.docs.shell import Shell

JAILS = """\
[defaults]
maxretry = 5
findtime = "10m"
bantime = "1h"

[jails.login]
maxretry = 3
"""
OPERATOR = '[operator]\nqueue = "f2b"\ntable = "f2b"\nip_set = "f2b"\n'
FLEET = "--queue f2b --table f2b --ip-set f2b"
ATTACKERS = [f"203.0.113.{last}" for last in (17, 23, 40, 41, 99, 130)] + ["198.51.100.200", "192.0.2.44"]
FAIL2BAN = "[DEFAULT]\nbantime = 10m\nfindtime = 10m\nmaxretry = 5\n\n[sshd]\nenabled = true\nmaxretry = 3\n"
ACCESS_LOG = '203.0.113.9 - - [22/Nov/2026:18:05:0{} +0000] "POST /wp-login.php HTTP/1.1" 200 2751\n'


def jails(shell: Shell) -> None:
    """He has a jails file."""
    shell.write("f2b.toml", JAILS)


def provisioned(shell: Shell) -> None:
    """He has a jails file, and has made what a fleet needs."""
    jails(shell)
    shell.prepare(f"f2b provision {FLEET}")


def checkout(shell: Shell) -> None:
    """He is in a checkout."""
    for folder in ("deploy", "docs"):
        (shell.here / folder).symlink_to(ROOT / folder)


def fail2ban(shell: Shell) -> None:
    """He has fail2ban."""
    shell.write("fail2ban/jail.local", FAIL2BAN)
    shell.fill_in("/etc/fail2ban", str(shell.here / "fail2ban"))


def access_log(shell: Shell) -> None:
    """A web server has written of an attack."""
    shell.write("access.log", "".join(ACCESS_LOG.format(second) for second in range(6)))


def topic(shell: Shell) -> None:
    """His attacks come by SNS."""
    shell.prepare("aws sns create-topic --name attacks; aws sqs create-queue --queue-name f2b")


def one_host(shell: Shell) -> None:
    """He has the folders of a service."""
    jails(shell)
    for folder in ("/var/lib/f2b", "/backup"):
        inside = shell.here / folder[1:]
        inside.mkdir(parents=True)
        shell.fill_in(f"{folder}/", f"{inside}/")


def load_balancer(shell: Shell) -> None:
    """He has a load balancer named shop."""
    shell.prepare("aws elbv2 create-load-balancer --name shop --subnets subnet-1 subnet-2")


def aws_account(shell: Shell) -> None:
    """He has a checkout, and a load balancer named shop."""
    checkout(shell)
    load_balancer(shell)


def infractions(shell: Shell) -> None:
    """He has a fleet, a web server's log, and the infractions of an hour of attack."""
    provisioned(shell)
    access_log(shell)
    knocks = [{"ip": f"203.0.113.{n % 9 + 1}", "jail": "login", "time": 1795970000 + 97 * n} for n in range(60)]
    shell.write("attack.ndjson", "".join(f"{json.dumps(each)}\n" for each in knocks))


def crowdsec(shell: Shell) -> None:
    """He has what CrowdSec's cscli prints of its decisions."""
    jails(shell)
    decisions = [
        {"value": "203.0.113.1", "scope": "Ip", "duration": "3h59m49.118s", "type": "ban", "origin": "crowdsec"},
        {"value": "198.51.100.0/24", "scope": "Range", "duration": "1h", "type": "ban", "origin": "cscli"},
    ]
    shell.write("decisions.json", json.dumps([{"id": n, "decisions": [each]} for n, each in enumerate(decisions)]))


def old_service(shell: Shell) -> None:
    """He has the addresses that the old service bans."""
    shell.write("old.txt", "198.51.100.7/32\n198.51.100.8/32\n")


def attacked(shell: Shell) -> None:
    """Two workers judge; eight addresses attacked a login from web-1, and one message names nobody."""
    shell.write("f2b.toml", JAILS)
    shell.write("~/.config/f2b/f2b.toml", OPERATOR + JAILS)
    shell.prepare(f"f2b provision {FLEET}; f2b reload")
    shell.prepare(f"f2b-worker {FLEET} --config f2b.toml --processes 2")
    now_s = time.time()  # of one moment, so that the bans stand in one order wherever they are sorted
    with Producer(shell.queue_url("f2b"), reporter="web-1") as producer:
        for before_s in (2, 1, 0):
            for ip in ATTACKERS:
                producer.report(ip, jail="login", at=now_s - before_s)
    shell.prepare("""aws sqs send-message --queue-url "$(aws sqs get-queue-url --queue-name f2b \\
        --query QueueUrl --output text)" --message-body '{"ip": "nobody", "jail": "login"}'""")


SCENES: dict[str, Callable[[Shell], None]] = {
    "docs/blocklists.md": jails,
    "docs/fail2ban.md": fail2ban,
    "docs/iam/README.md": checkout,
    "docs/how-to/alb.md": load_balancer,
    "docs/how-to/cost.md": provisioned,
    "docs/how-to/crowdsec.md": crowdsec,
    "docs/how-to/old-service.md": old_service,
    "docs/how-to/tokens.md": provisioned,
    "docs/how-to/tune.md": infractions,
    "docs/incidents.md": attacked,
    "docs/logs.md": access_log,
    "docs/runbook.md": attacked,
    "docs/shim.md": provisioned,
    "docs/standalone.md": one_host,
    "docs/tutorial/aws.md": aws_account,
    "docs/wire.md": topic,
    "producer/README.md": provisioned,
}
