"""What uWSGI does otherwise: it forks without Python's hooks and lets no thread run, unless it is told to."""

import sys
from _ssl import RAND_status  # not `ssl`: gevent wants to patch that one before anything else has it
from typing import Any

from f2b_producer._infraction import Infraction
from f2b_producer._pump import Pump

# OpenSSL must be in use by the time that the application is loaded. uWSGI ends Python by a C exit handler that
# it registers right after that (uwsgi_plugins_atexit in its core/uwsgi.c). What OpenSSL registers later, at its
# first use, would run before, and a worker that stops could send nothing.
RAND_status()


class UwsgiPump(Pump):
    """A pump that finds out by itself that it is in another process."""

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
        if not uwsgi.has_threads and uwsgi.loop != "gevent":
            self._state_log.threads_do_not_run()
        if uwsgi.worker_id() == 0:
            # The application is being loaded. A fork comes next, and waits for no thread that loads boto3; the
            # child could never load it.
            self.warm_up()
        super()._start()
