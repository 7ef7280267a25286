"""The real enforcer in a process of its own, on the real WAF adapter, with bans that come from memory.

    python -m benchmarks.enforcer.alone     # reads lines {"first": 0, "number": 9, "for_s": 60}, bans so many

So the ledger's emulator, which answers far more slowly than DynamoDB, has no part in the time. Answers each line
with the time at which those bans were stored.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from benchmarks.enforcer.bans import Bans
from benchmarks.enforcer.scene import DAY_MS, JAIL, NAME, addresses
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.enforcer import Enforcer
from f2b_worker.observe import log
from f2b_worker.ports import StandingBan
from f2b_worker.process.regions import open_regions


def main() -> None:
    """Enforce until the input ends."""
    log.configure("info")
    clock = SystemClock()
    blocklists = (Blocklist("block", (NAME,)),)
    (ports,) = open_regions(WorkerSettings(queue=NAME, table=NAME, ip_set=(NAME,)), blocklists, clock)
    bans = Bans()
    enforcer = Enforcer(
        bans, ports.finder, ports.lease, ports.notebook, blocklists=blocklists, allowed=Networks([]), clock=clock
    )
    wake, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=enforcer.run, args=(wake, stop))
    thread.start()
    for line in sys.stdin:
        asked = json.loads(line)
        now_ms = clock.now_ms()
        ban = Ban(now_ms, now_ms + round(asked["for_s"] * 1000), 1, DAY_MS)
        made = [StandingBan(OffenderId(JAIL, key), ban) for key in addresses(asked["first"], asked["number"])]
        bans.store(tuple(made))
        wake.set()
        print(json.dumps({"stored_s": time.time()}), flush=True)
    stop.set()
    wake.set()
    thread.join()


if __name__ == "__main__":
    main()
