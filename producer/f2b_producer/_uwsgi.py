"""What uWSGI does otherwise: it forks without Python's hooks and lets no thread run, unless it is told to."""

import os
import sys
from _ssl import RAND_status  # not `ssl`: gevent wants to patch that one before anything else has it
from typing import Any

from f2b_producer._infraction import Infraction
from f2b_producer._pump import Pump

# OpenSSL must be in use by the time that the application is loaded. uWSGI ends Python by a C exit handler that
# it registers right after that (uwsgi_plugins_atexit in its core/uwsgi.c). What OpenSSL registers later, at its
# first use, would run before, and a worker that stops could send nothing.
RAND_status()

LOADING_WAITS_S = 1.0  # nobody is served yet; what is not sent then is tried again with the next report


class UwsgiPump(Pump):
    """A pump that finds out by itself that it is in another process."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._made_by = os.getpid()

    def put(self, infraction: Infraction) -> None:
        """Accept *infraction*."""
        self.look()
        super().put(infraction)

    def refuse(self, reason: str) -> None:
        """Count a report that was refused."""
        self.look()
        super().refuse(reason)

    def _start(self) -> None:
        uwsgi: Any = sys.modules["uwsgi"]
        if uwsgi.worker_id() == 0 and os.getpid() == self._made_by:
            self._send_while_loading()
            return
        if not uwsgi.has_threads and uwsgi.loop != "gevent":
            self._state_log.threads_do_not_run()
        super()._start()

    def _send_while_loading(self) -> None:
        """Send in the thread that loads the application, from which workers are forked.

        If a thread waits for the interpreter when the master forks, the worker waits for ever for that thread,
        which it does not have: uWSGI forks without Python's hooks. Mules are forked, and have their own thread.
        """
        self._arrived.hush()  # the next report comes here again
        self._turn(self._clock() + LOADING_WAITS_S)
