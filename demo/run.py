"""`make run`: the whole road on this machine, until Ctrl-C."""

from __future__ import annotations

import secrets
import shlex
import signal
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import click

from demo.fleet import NAME, Fleet, FleetError, free_port
from demo.parts import Relay
from localstack.local_aws import INTERFERING_VARIABLES, LocalAws, LocalAwsError

CONFIG = """\
[defaults]
maxretry = 3
findtime = "10m"
bantime = "2m"
"bantime.increment" = true
"""
LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Door:
    """Something that listens.

    Attributes:
        name: What people call it.
        usual: The port it has if nobody else has it.
        variable: What `make run` is given to choose another.
    """

    name: str
    usual: int
    variable: str


SHIM = Door("the shim", 8000, "PORT")
DASHBOARD = Door("the dashboard", 8080, "DASHBOARD")


@dataclass(frozen=True)
class Doors:
    """Where the road is entered and looked at.

    Attributes:
        shim_port: The shim's.
        dashboard_port: The dashboard's.
        token: With what to log in there, made up anew for each run.
    """

    shim_port: int
    dashboard_port: int
    token: str

    @property
    def dashboard_url(self) -> str:
        """What to open."""
        return f"http://127.0.0.1:{self.dashboard_port}/"


class DiedError(Exception):
    """A part of the road ended although nobody stopped it."""


def exports(fleet: Fleet, aws: LocalAws, config: Path) -> str:
    """Write one line for another shell: whatever is started there then works with this queue and table."""
    here = {"F2B_QUEUE": fleet.queue_url, "F2B_TABLE": NAME, "F2B_IP_SET": NAME, "F2B_CONFIG": str(config)}
    values = " ".join(f"{name}={shlex.quote(value)}" for name, value in (aws.environment() | here).items())
    return f"unset {' '.join(INTERFERING_VARIABLES)}; export {values}"


def explain(fleet: Fleet, aws: LocalAws, config: Path, doors: Doors) -> None:
    """Print what to try, at once, wherever it goes."""
    folder = shlex.quote(str(Path(sys.executable).parent))
    print(
        f"""
The road runs: shim {fleet.shim_url} → SQS → 2 workers → DynamoDB → WAF IP sets.
Three infractions within ten minutes ban an address for two minutes, the next time for four ({config}).

  curl {fleet.shim_url}/infraction/203.0.113.7      # three times, and it is banned
  curl {fleet.shim_url}/infraction/2001:db8::1      # an IPv6 address is judged by its /64
  curl {fleet.shim_url}/infraction/not-an-address   # is refused, with the reason

The dashboard is {doors.dashboard_url}
To ban and to lift there, log in with the token {doors.token}

The queue for producers is {fleet.queue_url}
To use it in another terminal, copy this line there:

  {exports(fleet, aws, config)}

Then these work there:

  {folder}/f2b status
  {folder}/f2b list
  {folder}/f2b explain 203.0.113.7
  {folder}/f2b-report 203.0.113.9                   # f2b-producer's own command

Infractions and bans appear below as they happen. Ctrl-C stops everything.
""",
        flush=True,
    )


def run(fleet: Fleet, aws: LocalAws, config: Path, doors: Doors, stopped: threading.Event) -> None:
    """Start everything, and watch it until somebody or something stops it."""
    print("Local AWS runs; making queue, table and IP sets …", flush=True)
    fleet.provision()
    with Relay() as of_workers, Relay() as of_shim:
        fleet.environment["F2B_DASHBOARD_TOKEN"] = f"you:{doors.token}"
        options = ("--processes", "2", "--http-port", str(doors.dashboard_port), "--log-level", "debug")
        workers = fleet.start_worker(*options, log=of_workers.path)
        fleet.start_shim(port=doors.shim_port, log=of_shim.path)
        explain(fleet, aws, config, doors)
        parts = {"the workers": (workers, of_workers), "the shim": (fleet.shim, of_shim)}
        while not stopped.wait(LOOK_EVERY_S):
            if aws.death:
                raise DiedError(f"the local AWS died: {aws.death}")
            for name, (process, relay) in parts.items():
                if process and process.poll() is not None:
                    words = relay.last_words()
                    raise DiedError(f"{name} ended with exit code {process.returncode}; the last words: {words}")
        print("\nStopping …", flush=True)
        fleet.stop()


def choose_port(asked: int | None, door: Door) -> int:
    """Choose a port: the one that was asked for, or else the usual one or a free one.

    Raises:
        FleetError: If the one that was asked for is taken.
    """
    hint = f"hoose another with: make run {door.variable}=N"
    if asked is None and not _is_free(door.usual):
        found = free_port()
        print(f"Port {door.usual} is taken: {door.name} listens on {found}. C{hint}", flush=True)
        return found
    if asked and not _is_free(asked):
        raise FleetError(f"port {asked} is taken, or you may not listen on it; c{hint}")
    return door.usual if asked is None else asked or free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the shim does
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The shim's port; 0 for any free one. By default 8000, or a free one if that is taken.",
)
@click.option(
    "--dashboard-port",
    type=click.IntRange(0, 65535),
    help="The dashboard's port; 0 for any free one. By default 8080, or a free one if that is taken.",
)
def main(port: int | None, dashboard_port: int | None) -> None:
    """Run local AWS, shim and workers until Ctrl-C."""
    stopped = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _number, _frame: stopped.set())
    try:
        ports = choose_port(port, SHIM), choose_port(dashboard_port, DASHBOARD)
        doors = Doors(*ports, token=secrets.token_urlsafe(16))
        with tempfile.TemporaryDirectory() as folder, LocalAws() as aws:
            config = Path(folder) / "f2b.toml"
            config.write_text(CONFIG)
            with Fleet(aws, config) as fleet:
                run(fleet, aws, config, doors, stopped)
    except (DiedError, FleetError, LocalAwsError) as error:
        sys.exit(f"make run: {error}")


if __name__ == "__main__":
    main()
