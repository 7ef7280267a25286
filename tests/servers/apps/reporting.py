"""What all these applications share: the producer that the test describes in SERVED, and the answer to a request.

``/report/NOTE`` reports once, with that note, and any other path reports nothing. Both answer the process's id.
``/ground`` answers what the producer says of its ground.
"""

from __future__ import annotations

import json
import logging
import os
import sys

from f2b_producer import Producer

IP = "192.0.2.1"
JAIL = "login"

# With the process, so that a test knows whose line it is.
_lines = logging.StreamHandler()
_lines.setFormatter(logging.Formatter("%(process)d %(name)s %(message)s"))
logging.getLogger("f2b_producer").addHandler(_lines)

# Behind all that Debian's Python has: what is compiled in there may be for another Python.
sys.path += filter(None, [os.environ.get("LIBRARIES")])

_served = json.loads(os.environ["SERVED"])
f2b = Producer(_served["queue_url"], **_served["settings"]) if _served["queue_url"] else None

if f2b and _served["warm_up"] == "import":
    f2b.warm_up()
if f2b and _served["reports_at_import"]:
    f2b.report(IP, JAIL, note="import")


def begin_worker() -> None:
    """Do what an application does at the start of a worker process."""
    if f2b and _served["warm_up"] == "worker":
        f2b.warm_up()


def respond(path: str) -> bytes:
    """Report what *path* asks for, and answer who did."""
    if f2b and path == "/ground":
        return json.dumps(f2b.health().ground).encode()
    _, found, note = path.partition("/report/")
    if f2b and found:
        f2b.report(IP, JAIL, note=note)
    return str(os.getpid()).encode()
