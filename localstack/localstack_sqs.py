"""LocalStack's own SQS as a process, without Docker: a second opinion beside ministack's.

    python -m localstack.localstack_sqs

localstack-core can be installed from the package index, but its open version ranges have
rotted, so it is pinned here together with what it needs, and it needs a Python 3.13.
"""

import sys
import threading
from collections.abc import Mapping
from typing import Self

import click

from localstack.environments import EMULATORS, LocalAwsError, ensure_environment
from localstack.pythons import find_python
from localstack.server_process import LOOPBACK, ServerProcess

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
        python313 = find_python(13)
        if python313 is None:
            raise LocalAwsError("LocalStack needs a Python 3.13: name it in F2B_PYTHON313")
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
        python = find_python(13)
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
