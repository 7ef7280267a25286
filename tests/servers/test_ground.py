"""In each server the producer says itself on which ground it stands."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from f2b_producer import Ground
from tests.conftest import IN_CI
from tests.servers.local_queue import LocalQueue
from tests.servers.rows import server
from tests.servers.served import Running

if TYPE_CHECKING:
    from pathlib import Path

ENDS_WELL = Ground("", threads=True, fork_hooks=True, exit_hooks=True, patched=None, advice="")
DIES_OF_SIGTERM = ENDS_WELL._replace(exit_hooks=False, advice="send_at_sigterm=True")
GROUNDS = {
    "uWSGI": ENDS_WELL._replace(server="uWSGI"),
    "uWSGI, no threads": ENDS_WELL._replace(
        server="uWSGI", threads=False, fork_hooks=False, advice="enable-threads"
    ),
    "gunicorn sync": ENDS_WELL._replace(server="gunicorn"),
    "gunicorn gevent": ENDS_WELL._replace(server="gunicorn", patched="gevent"),
    # The middleware is there, so no advice.
    "gunicorn uvicorn worker": ENDS_WELL._replace(server="gunicorn with uvicorn", exit_hooks=False),
    "uvicorn --workers": ENDS_WELL._replace(server="uvicorn", exit_hooks=False),
    "hypercorn": DIES_OF_SIGTERM._replace(server="hypercorn"),
    "granian WSGI": ENDS_WELL._replace(server="granian"),
    "eventlet, patched late": DIES_OF_SIGTERM._replace(server="plain process", patched="eventlet"),
    "waitress": DIES_OF_SIGTERM._replace(server="waitress"),
    "daphne": ENDS_WELL._replace(server="daphne"),
    "Django runserver": DIES_OF_SIGTERM._replace(server="runserver"),
    "flask run": DIES_OF_SIGTERM._replace(server="werkzeug"),
}


@pytest.mark.parametrize(("name", "ground"), GROUNDS.items(), ids=GROUNDS)
def test_a_producer_says_which_server_it_is_in_and_what_must_be_set(
    name: str, ground: Ground, tmp_path: Path
) -> None:
    asked = replace(server(name), settings={})  # nobody has followed the advice yet
    if asked.missing and not IN_CI:
        pytest.skip(asked.missing)
    with (
        LocalQueue() as queue,
        Running(asked, queue, tmp_path / "log") as running,
        urlopen(f"http://127.0.0.1:{running.port}/ground", timeout=20) as response,
    ):
        assert Ground(*json.load(response)) == ground
