"""`make run`: the whole road on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

import click

from demo.fleet import NAME, Fleet, FleetError
from localstack.local_aws import LocalAws, LocalAwsError

CONFIG = """\
[defaults]
maxretry = 3
findtime = "10m"
bantime = "2m"
"bantime.increment" = true
"""
EXPORTED = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
TERMINAL = Path("/dev/stderr")


def explain(fleet: Fleet, aws: LocalAws, config: Path) -> None:
    """Print what to try."""
    environment = aws.environment()
    exports = " ".join(f"{name}={environment[name]}" for name in EXPORTED)
    print(f"""
The road runs: shim {fleet.shim_url} → SQS → 2 workers → DynamoDB → WAF IP sets.
Three infractions within ten minutes ban an address for two minutes, the next time for four ({config}).

  curl {fleet.shim_url}/infraction/203.0.113.7      # three times, and it is banned
  curl {fleet.shim_url}/infraction/2001:db8::1      # an IPv6 address is judged by its /64
  curl {fleet.shim_url}/infraction/not-an-address   # is refused, with the reason

Show the bans (in another terminal):
  env {exports} \\
    {Path(sys.executable).parent / "f2b-worker"} bans --table {NAME}

Infractions and bans appear below as they happen. Ctrl-C stops everything.
""")


def run(fleet: Fleet, aws: LocalAws, config: Path, port: int, stopped: threading.Event) -> None:
    """Start everything, and watch it until somebody or something stops it."""
    print("Local AWS runs; making queue, table and IP sets …", flush=True)
    fleet.provision()
    workers = fleet.start_worker("--processes", "2", "--log-level", "debug", log=TERMINAL)
    fleet.start_shim(port=port, log=TERMINAL)
    explain(fleet, aws, config)
    while not stopped.wait(0.5):
        if workers.poll() is not None:
            raise FleetError(f"the workers ended with exit code {workers.returncode}")
    print("\nStopping …", flush=True)


@click.command()
@click.option("--port", default=8000, show_default=True, help="The shim's port; 0 for any free one.")
def main(port: int) -> None:
    """Run local AWS, shim and workers until Ctrl-C."""
    stopped = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _number, _frame: stopped.set())
    try:
        with tempfile.TemporaryDirectory() as folder, LocalAws() as aws:
            config = Path(folder) / "f2b.toml"
            config.write_text(CONFIG)
            with Fleet(aws, config) as fleet:
                run(fleet, aws, config, port, stopped)
    except (FleetError, LocalAwsError) as error:
        sys.exit(f"make run: {error}")


if __name__ == "__main__":
    main()
