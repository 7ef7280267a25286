"""Processes that work for others: Celery's workers, and the children of multiprocessing."""

from __future__ import annotations

from dataclasses import replace

from tests.servers.served import PYTHON, Server

APPS = "tests.servers.apps"
# Without "reload", which there is none. A killed child of a pool breaks the pool, whatever it reported.
EVENTS = (
    "stop",
    "recycling",
    "outage",
    "hanging outage",
    "recycling in an outage",
    "passing outage",
)


def celery() -> list[Server]:
    """Each kind of pool that Celery has."""
    prefork = Server(
        "Celery prefork",
        "celery",
        ("python", "-m", f"{APPS}.celery_worker", "{port}", "prefork"),
        recycling=("--max-tasks-per-child", "20"),
        # A recycled worker is killed at a stop, for it was forked by a thread that ends then (PR_SET_PDEATHSIG in
        # celery/concurrency/prefork.py; Supervisor in billiard/pool.py). With Redis and RabbitMQ no thread forks.
        events=tuple(event for event in EVENTS if event != "recycling in an outage"),
    )
    others = [
        replace(
            prefork,
            name=f"Celery {pool}",
            command=("python", "-m", f"{APPS}.celery_worker", "{port}", pool),
            recycling=(),
        )
        for pool in ("threads", "solo", "gevent", "eventlet")
    ]
    return [
        prefork,
        replace(prefork, name="Celery prefork, used before the fork", reports_at_import=True),
        *others,
    ]


def multiprocessing() -> list[Server]:
    """Each kind of child, by each way to start it.

    Without the passing outage for the child of one request: it ends in it, and tells what it loses.
    """
    return [
        Server(
            f"multiprocessing {name}, {method}",
            PYTHON,
            ("python", "-m", f"{APPS}.jobs", kind, method, "{port}"),
            # A forked child of an executor cannot be replaced, and a process of one request is.
            recycling=() if (kind, method) == ("executor", "fork") else ("20",),
            events=EVENTS,
            without=("passing outage",) if kind == "process" else (),
        )
        for kind, name in (("process", "Process"), ("pool", "Pool"), ("executor", "ProcessPoolExecutor"))
        for method in ("fork", "spawn", "forkserver")
    ]
