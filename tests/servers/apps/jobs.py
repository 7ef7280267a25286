"""Work that is reported by other processes than the one that serves: ``jobs KIND METHOD PORT [TASKS_PER_CHILD]``.

*KIND* is ``process`` (one for each request), ``pool`` or ``executor``, of multiprocessing's start method *METHOD*.
Each request waits for what its child answers. SIGTERM closes the pool and waits for it, as such programs do.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.servers.apps.front import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import BaseContext
    from multiprocessing.queues import SimpleQueue

    Work = Callable[[str], bytes]

CHILDREN = 2
REPORTING = "tests.servers.apps.reporting"


def main(kind: str, method: str, port: str, tasks_per_child: str = "") -> None:
    """Serve until SIGTERM or Ctrl-C."""
    context = multiprocessing.get_context(method)
    if method == "fork":  # as where the producer is made in a module that all import
        importlib.import_module(REPORTING)
    elif method == "forkserver":
        context.set_forkserver_preload([REPORTING])
    tasks = int(tasks_per_child) if tasks_per_child else None
    with {"process": _process, "pool": _pool, "executor": _executor}[kind](context, tasks) as work:
        serve(int(port), work)


def answer(path: str) -> bytes:
    """Do one request's work in a child."""
    done: bytes = importlib.import_module(REPORTING).respond(path)
    return done


@contextmanager
def _process(context: BaseContext, _tasks: int | None) -> Iterator[Work]:
    def work(path: str) -> bytes:
        answers: SimpleQueue[bytes] = context.SimpleQueue()
        child: Any = context.Process(target=_put, args=(answers, path))  # type: ignore[attr-defined]
        child.start()
        child.join()
        return answers.get()

    yield work


def _put(answers: SimpleQueue[bytes], path: str) -> None:
    answers.put(answer(path))


@contextmanager
def _pool(context: BaseContext, tasks: int | None) -> Iterator[Work]:
    pool = context.Pool(CHILDREN, maxtasksperchild=tasks)
    yield lambda path: pool.apply(answer, (path,))
    pool.close()
    pool.join()


@contextmanager
def _executor(context: BaseContext, tasks: int | None) -> Iterator[Work]:
    with ProcessPoolExecutor(CHILDREN, mp_context=context, max_tasks_per_child=tasks) as executor:
        yield lambda path: executor.submit(answer, path).result()


if __name__ == "__main__":
    main(*sys.argv[1:])
