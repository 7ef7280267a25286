"""LocalStack's own SQS as a process, without Docker: a second opinion beside ministack's.

    python -m localstack.localstack_sqs

localstack-core can be installed from the package index, but its open version ranges have
rotted, so it is pinned here together with what it needs, and it needs a Python 3.13.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import click

from localstack.environments import EMULATORS, LocalAwsError, ensure_environment
from localstack.server_process import LOOPBACK, ServerProcess

PYTHON_VARIABLE = "F2B_PYTHON313"
REQUIREMENTS = (
    "localstack-core[base-runtime]==2026.3.0",
    "moto-ext>=5.1.22,<5.1.60",
    "jsonpath-ng==1.7.0",
    "responses",
    "antlr4-python3-runtime==4.13.2",
    "service-identity",
    "cryptography<46",
    "pyopenssl<25.2",
    "cbor2<6",
    "pymongo",
)
START_TIMEOUT_S = 90.0
_SHOW_313 = "import sys; print(sys.executable if sys.version_info[:2] == (3, 13) else '')"


class LocalStackSqs:
    """LocalStack's SQS on a free loopback port; give its URL to ``LocalAws(sqs_upstream=…)``."""

    def __init__(self) -> None:
        self._server: ServerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Install LocalStack if need be, start it and wait until it answers.

        Raises:
            LocalAwsError: without a Python 3.13, or with the end of the server's log.
        """
        python313 = find_python313()
        if python313 is None:
            raise LocalAwsError(f"LocalStack needs a Python 3.13: name it in {PYTHON_VARIABLE}")
        python = ensure_environment("localstack", REQUIREMENTS, python313)
        self._server = ServerProcess(
            python, "localstack.runtime.main", "/_localstack/health", variables=_variables
        )
        self._server.start(START_TIMEOUT_S)

    def stop(self) -> None:
        """End the server; its queues are lost."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def endpoint_url(self) -> str:
        """The server's URL.

        Raises:
            LocalAwsError: when it is not running.
        """
        if self._server is None:
            raise LocalAwsError("LocalStack is not running")
        return self._server.url


def find_python313() -> Path | None:
    """Return a Python 3.13 that really runs, or None.

    Looked for in F2B_PYTHON313, on the PATH and among pyenv's. pyenv leaves a ``python3.13`` on
    the PATH that fails when that version is not switched on, hence the trial.
    """
    for candidate in _candidates():
        try:
            tried = subprocess.run(
                [candidate, "-c", _SHOW_313], capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if tried.returncode == 0 and tried.stdout.strip():
            return Path(tried.stdout.strip())
    return None


def _candidates() -> Iterator[str]:
    if named := os.environ.get(PYTHON_VARIABLE):
        yield named
    if on_path := shutil.which("python3.13"):
        yield on_path
    for pyenv in sorted(Path.home().glob(".pyenv/versions/3.13*/bin/python")):
        yield str(pyenv)


def _variables(port: int) -> Mapping[str, str]:
    address = f"{LOOPBACK}:{port}"
    return {
        "GATEWAY_LISTEN": address,
        "LOCALSTACK_HOST": address,
        "GATEWAY_SERVER": "hypercorn",  # the default, twisted, listens on all interfaces
        "SERVICES": "sqs",
        "STRICT_SERVICE_LOADING": "1",
        "EAGER_SERVICE_LOADING": "1",  # else the first call takes five seconds
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        "SQS_ENDPOINT_STRATEGY": "path",
        "OVERRIDE_IN_DOCKER": "0",
        "FILESYSTEM_ROOT": str(EMULATORS / "localstack-files"),
        "PYTHONPATH": "",  # the repository root has a folder of the same name
    }


@click.command()
@click.option("--find", is_flag=True, help="Say which Python 3.13 would run it; exit code 1 if there is none.")
def main(*, find: bool) -> None:
    """Run LocalStack's SQS until Ctrl-C, and print its URL."""
    if find:
        python = find_python313()
        print(python or "no Python 3.13 found")
        raise SystemExit(0 if python else 1)
    try:
        with LocalStackSqs() as sqs:
            print(sqs.endpoint_url, flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    except LocalAwsError as error:
        print(f"LocalStack: {error}", file=sys.stderr)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
