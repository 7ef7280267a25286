"""What the enforcer is put through: each case measures one run and answers its figures by name."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.enforcer.scene import NAME, Counts, Scene, addresses
from benchmarks.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localstack.faults import FaultKind

Figures = dict[str, float]

BURST = 25_000
ACTIVE = 50_000
OUTAGE_S = 60.0
BANS_IN_OUTAGE = 600
IDLE_S = 60.0
COMPETING_S = 30.0
CPU_S = 30.0
NEW_BANS_A_SECOND = 10
"""Each ends ten seconds later: ten new bans and ten endings are twenty changes a second."""
LONG_AGO_MS = 600_000
STANDS_BY_AFTER_S = 10.0
"""A worker has started by then, and knows whom it would succeed."""
SLOT_S = 2.0
"""After so long without a write, WAF's budget is whole again."""


class Keys:
    """Hands out addresses that nobody had before."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, number: int) -> list[str]:
        """Take some more of them."""
        start, self._next = self._next, self._next + number
        return addresses(start, number)


def one_ban(scene: Scene, keys: Keys, *, by_another_worker: bool = False, tries: int = 5) -> Figures:
    """Ban one address while nothing else happens: the median of a few times."""
    took_s = []
    for number in range(tries):
        time.sleep(SLOT_S + 0.13 * number)
        (key,) = keys.take(1)
        if by_another_worker:
            scene.ban([key])
        else:
            scene.attack(key)
        in_s = scene.watch.wait_until_in([key], 20)
        took_s.append(in_s - scene.stored_s(key))
    return {"s": median(took_s), "worst_s": max(took_s)}


def attackers_at_once(scene: Scene, banned: Sequence[str]) -> Figures:
    """Let many addresses attack at once: from the first message to the last of them in its set."""
    time.sleep(SLOT_S)
    counts, began_s = Counts(scene), time.time()
    for key in banned:
        scene.attack(key)
    return {"s": scene.watch.wait_until_in(banned, 60) - began_s, **counts.since()}


def many_at_once(scene: Scene, banned: Sequence[str]) -> Figures:
    """Let the worker meet many new bans at once."""
    with scene.held_still():
        if len(banned) > 2000:
            scene.ban_in_bulk(banned)
        else:
            scene.ban(banned)
        counts, began_s = Counts(scene), time.time()
    in_s = scene.watch.wait_until_in(banned, 180)
    first_s = min(scene.watch.entered_s[key] for key in banned)
    return {"s": in_s - began_s, "first_s": first_s - began_s, **counts.since()}


def many_from_memory(scene: Scene, number: int) -> Figures:
    """Give the enforcer many new bans at once from memory: without the ledger's emulator."""
    scene.start_alone()
    time.sleep(SLOT_S)
    counts = Counts(scene)
    stored_s = scene.store_alone(0, number)
    in_s = scene.watch.wait_until_in(addresses(0, number), 60)
    return {"s": in_s - stored_s, **counts.since()}


def ledger_reading(scene: Scene) -> Figures:
    """Read all bans from the local ledger with the worker's own adapter: what the emulator takes for it."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    list(scene.ledger.follow().poll().bans)
    return {"s": time.perf_counter() - began_s, "cpu_s": time.process_time() - began_cpu_s}


def ledger_following(scene: Scene) -> Figures:
    """Ask the local ledger for news when there are none, as an enforcer does four times a second."""
    follower = scene.ledger.follow()
    follower.poll()
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    follower.poll()
    return {"s": time.perf_counter() - began_s, "cpu_s": time.process_time() - began_cpu_s}


def one_unban(scene: Scene, banned: Sequence[str]) -> Figures:
    """Let one ban end while all others go on."""
    ends_s = time.time() + 3.0
    scene.ban(banned[:1], until_ms=round(ends_s * 1000))
    time.sleep(2.0)
    counts = Counts(scene)
    out_s = scene.watch.wait_until_out(banned[:1], 30)
    time.sleep(SLOT_S)
    return {"s": out_s - ends_s, **counts.since()}


def half_removed(scene: Scene, ending: Sequence[str], keys: Keys, *, ends_s: float) -> Figures:
    """Let half of the bans end in one moment, and ban somebody while they are being removed."""
    (key,) = keys.take(1)
    if time.time() > ends_s:
        raise BenchError("half of the bans ended before anybody looked: this machine is too slow")
    time.sleep(max(0.0, ends_s - 0.2 - time.time()))
    scene.watch.look()
    counts = Counts(scene)
    scene.watch.wait_for_an_update(time.monotonic() + 60, "the first ended bans leave")
    scene.attack(key)
    out_s = scene.watch.wait_until_out(ending, 60)
    figures = {"s": out_s - ends_s, **counts.since()}
    new_in_s = scene.watch.wait_until_in([key], 60)
    return figures | {"new_ban_s": new_in_s - scene.stored_s(key)}


def restart(scene: Scene, active: Sequence[str], *options: str) -> Figures:
    """Stop the worker and start it again; nothing may leave a set meanwhile."""
    scene.watch.look()
    before = scene.watch.updates
    scene.stop()
    began_s = time.monotonic()
    counts = Counts(scene)
    scene.start_enforcing(*options)
    took_s = scene.ready_s - began_s
    time.sleep(3.0)
    scene.watch.look()
    gap_s = 0.0 if scene.watch.updates == before and set(active) <= scene.watch.held() else float("nan")
    return {"unprotected_s": gap_s, **counts.since(), "ready_s": took_s}


def takeover(scene: Scene, keys: Keys) -> Figures:
    """Kill the enforcer when it has just renewed its lease, and ban somebody at once: the heir must write it."""
    scene.start_successor()
    time.sleep(STANDS_BY_AFTER_S)
    renewed_s = scene.kill_right_after_a_sign_of_life()
    counts = Counts(scene)
    banned = keys.take(1)
    scene.ban(banned)
    in_s = scene.watch.wait_until_in(banned, 120)
    gets = counts.since()["gets"]
    return {"s": in_s - renewed_s, "gets": gets, "heir_cpu_s": scene.cpu_s(), "heir_mb": scene.resident_mb()}


def outage(scene: Scene, keys: Keys, kind: FaultKind, *, run: int) -> Figures:
    """Let WAF fail for a minute, and ban ten addresses a second meanwhile."""
    lasts_s = OUTAGE_S + 1.7 * run  # else each run would end at the same moment of the enforcer's patience
    banned = keys.take(BANS_IN_OUTAGE)
    time.sleep(SLOT_S)
    counts, began_s = Counts(scene), time.time()
    scene.aws.edge.fault("wafv2:*", kind)
    try:
        for at in range(0, BANS_IN_OUTAGE, 10):
            time.sleep(max(0.0, began_s + at * OUTAGE_S / BANS_IN_OUTAGE - time.time()))
            scene.ban(banned[at : at + 10])
        time.sleep(max(0.0, began_s + lasts_s - time.time()))
        tries = counts.since()
    finally:
        scene.aws.edge.clear_faults()
    back_s = time.time()
    in_s = scene.watch.wait_until_in(banned, 60)
    lost = len(set(banned) - scene.watch.held())
    return {"s": in_s - back_s, "lost": lost, "tries": tries["updates"] + tries["gets"]}


def idle(scene: Scene) -> Figures:
    """Do nothing for a minute."""
    time.sleep(SLOT_S)
    counts, cpu_s = Counts(scene), scene.cpu_s()
    time.sleep(IDLE_S)
    asked = counts.since()
    share = (scene.cpu_s() - cpu_s) / IDLE_S * 100
    return {"updates": asked["updates"], "gets_a_set": asked["gets"] / scene.number_of_sets, "cpu_percent": share}


def idle_reads(scene: Scene) -> Figures:
    """Do nothing for a minute; count what a worker with its enforcer reads from the ledger."""
    before = scene.read_units()
    time.sleep(IDLE_S)
    return {"read_units_per_s": (scene.read_units() - before) / IDLE_S}


def competing(scene: Scene, keys: Keys, *, run: int) -> Figures:
    """Ban an address a second in the very set that somebody else edits every two seconds."""
    command = (
        sys.executable,
        "-m",
        "benchmarks.enforcer.foreign_writer",
        f"{NAME}-ipv4",
        "--for-s",
        str(COMPETING_S),
    )
    other = subprocess.Popen([*command, "--start", str(100 * run)], env=scene.environment, stdout=subprocess.PIPE)
    banned = []
    began_s = time.time()
    while time.time() < began_s + COMPETING_S:
        banned += keys.take(1)
        scene.ban(banned[-1:])
        time.sleep(max(0.0, began_s + len(banned) - time.time()))
    edits = json.loads(other.communicate(timeout=60)[0])
    scene.watch.wait_until_in(banned, 60)
    took_s = [scene.watch.entered_s[key] - scene.stored_s(key) for key in banned]
    time.sleep(5.0)
    scene.watch.look()
    lost = set(edits["added"]) - scene.watch.held()
    return {
        "worst_s": max(took_s),
        "median_s": median(took_s),
        "edits": len(edits["added"]),
        "edits_lost": len(lost),
        "their_conflicts": edits["refusals"].get("WAFOptimisticLockException", 0),
    }


def grown(scene: Scene, keys: Keys) -> Figures:
    """Fill the sets with 50,000 bans, the newest of which are a few minutes old as they are in a busy fleet."""
    old, recent = keys.take(ACTIVE - 3000), keys.take(3000)
    scene.ban_in_bulk(old, age_ms=LONG_AGO_MS)
    for part in range(30):
        scene.ban_in_bulk(recent[part * 100 : part * 100 + 100], age_ms=10_000 * part)
    scene.start()
    began_s = time.time()
    in_s = scene.watch.wait_until_in([*old, *recent], 300)
    return {"s": in_s - began_s, "cpu_s": scene.cpu_s()}


def cpu_from_memory(scene: Scene, *, windows: int) -> list[Figures]:
    """Measure the enforcer's CPU with the same changes from memory: an update a second, as on a fast ledger."""
    scene.start_alone()
    scene.store_alone(0, ACTIVE)
    scene.watch.wait_until_in(addresses(0, ACTIVE), 60)

    def store(number: int) -> None:
        scene.store_alone(ACTIVE + number * NEW_BANS_A_SECOND, NEW_BANS_A_SECOND, for_s=10)

    return _changing(store, lambda: [cpu(scene) for _ in range(windows)])


def cpu_of_changes(scene: Scene, keys: Keys, *, windows: int) -> list[Figures]:
    """Measure the worker's CPU while twenty changes a second come, in windows of half a minute."""

    def store(_number: int) -> None:
        scene.ban(keys.take(NEW_BANS_A_SECOND), until_ms=round((time.time() + 10) * 1000))

    return _changing(store, lambda: [cpu(scene) for _ in range(windows)])


def _changing(store: Callable[[int], None], measure: Callable[[], list[Figures]]) -> list[Figures]:
    """Store bans once a second while something is measured."""
    stop = threading.Event()

    def change() -> None:
        began_s, number = time.time(), 0
        while not stop.wait(max(0.0, began_s + number - time.time())):
            store(number)
            number += 1

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    time.sleep(15.0)  # by now as many end as come
    try:
        return measure()
    finally:
        stop.set()
        changing.join()


def cpu(scene: Scene) -> Figures:
    """Measure the worker's CPU for half a minute."""
    counts, cpu_s, began_s = Counts(scene), scene.cpu_s(), time.time()
    time.sleep(CPU_S)
    share = (scene.cpu_s() - cpu_s) / (time.time() - began_s) * 100
    return {"cpu_percent": share, "updates": counts.since()["updates"]}
