"""SQS, DynamoDB and AWS WAF on this machine, without Docker.

    python -m localstack.local_aws

runs ministack behind the strict edge (see ``localstack.edge``) and prints the variables that
point every AWS SDK at it.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, Self
from urllib.request import getproxies

import boto3
import click
from botocore.config import Config

from localstack.control import EdgeControl
from localstack.environments import ROOT, LocalAwsError, ensure_environment
from localstack.server_process import ServerProcess

__all__ = ["INTERFERING_VARIABLES", "LocalAws", "LocalAwsError"]

MINISTACK = ("ministack==1.5.33",)
ACCOUNT = "000000000001"
REGION = "us-east-1"
AS_INSTALLED = Path(__file__).resolve().parent / "as_installed"
ENDPOINT_VARIABLES = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_WAFV2",
)
INTERFERING_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""Variables that would lead a client elsewhere; remove them where ``environment()`` is set."""


class LocalAws:
    """A local AWS: ministack behind the strict edge, each a process on a free loopback port.

    Args:
        account: the access key that ``environment()`` hands out. State is kept apart by it,
            so tests that run at once take different ones; AWS account ids have twelve digits.
        sqs_upstream: URL of another emulator for SQS, such as LocalStack.
        authorization: Whether signatures and IAM policies count: twelve digits are an account's root, which may do
            everything, and makes users. AWS WAF is the edge's, which asks for none of both.
    """

    def __init__(
        self, account: str = ACCOUNT, *, sqs_upstream: str | None = None, authorization: bool = False
    ) -> None:
        if len(account) != 12 or not account.isdigit():
            raise ValueError(f"an account has twelve digits: {account}")
        self._account = account
        self._sqs_upstream = sqs_upstream
        self._authorization = authorization
        self._ministack: ServerProcess | None = None
        self._edge: ServerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Install ministack if need be, start both servers and wait until they answer.

        Raises:
            LocalAwsError: with the end of the log of the server that did not start.
        """
        if self._ministack is not None:
            raise LocalAwsError("the local AWS is already running")
        python = ensure_environment("ministack", MINISTACK, Path(sys.executable))
        self._ministack = ServerProcess(python, "ministack", "/_ministack/health", variables=self._variables)
        try:
            self._ministack.start()
            self._edge = self._edge_before(self._ministack.url)
            self._edge.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both servers; all state is lost."""
        for server in (self._edge, self._ministack):
            if server is not None:
                server.stop()
        self._edge = self._ministack = None

    @property
    def endpoint_url(self) -> str:
        """The URL for every AWS client.

        Raises:
            LocalAwsError: when it is not running.
        """
        if self._edge is None:
            raise LocalAwsError("the local AWS is not running")
        return self._edge.url

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The ids of the running servers."""
        servers = (self._edge, self._ministack)
        return tuple(server.pid for server in servers if server is not None and server.pid is not None)

    @property
    def death(self) -> str | None:
        """Which server ended by itself, and what it said last, in one line; None while both run."""
        return next((server.death for server in (self._edge, self._ministack) if server and server.death), None)

    @property
    def edge(self) -> EdgeControl:
        """Steers the edge: counts, faults, deliveries, limits."""
        return EdgeControl(self.endpoint_url)

    def environment(self, account: str | None = None) -> dict[str, str]:
        """Variables that point an AWS SDK here; see also ``INTERFERING_VARIABLES``.

        Version 1 of the AWS CLI heeds none of them for ``aws sqs``, and calls the real AWS
        (its ``overridesslcommonname.py``): give it ``--endpoint-url``.
        """
        return {
            **dict.fromkeys(ENDPOINT_VARIABLES, self.endpoint_url),
            "AWS_ACCESS_KEY_ID": account or self._account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            # What the developer's own files say about profiles and retries must not change a test.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **_without_proxy(),
        }

    def child_environment(self, account: str | None = None) -> dict[str, str]:
        """A whole environment for a child process: ours, less what interferes and what only tests brought."""
        kept = {name: value for name, value in os.environ.items() if name not in INTERFERING_VARIABLES}
        path = os.pathsep.join(filter(None, [str(AS_INSTALLED), os.environ.get("PYTHONPATH")]))
        return {**kept, **self.environment(account), "PYTHONPATH": path}

    def client(
        self,
        service: str,
        *,
        account: str | None = None,
        region: str = REGION,
        config: Config | None = None,
        session_token: str | None = None,
    ) -> Any:
        """A boto3 client of this AWS, whatever the environment says; close it after use."""
        return self._session.client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=account or self._account,
            aws_secret_access_key="local",
            aws_session_token=session_token,
            config=config,
        )

    @cached_property
    def _session(self) -> boto3.Session:
        """Reads the services' models once for all clients: that is most of the time that one takes to make."""
        return boto3.Session()

    def _variables(self, port: int) -> Mapping[str, str]:
        auth = {"AUTH": "true"} if self._authorization else {}
        return {**_ministack_variables(port), **auth}

    def _edge_before(self, upstream: str) -> ServerProcess:
        sqs = ["--sqs-upstream", self._sqs_upstream] if self._sqs_upstream else []
        signed = ["--as-signed"] if self._authorization else []
        return ServerProcess(
            Path(sys.executable),
            "localstack.edge",
            "/_edge/health",
            arguments=lambda port: ["--port", str(port), "--upstream", upstream, *sqs, *signed],
            variables=lambda _port: {"PYTHONPATH": str(ROOT)},
        )


def _ministack_variables(port: int) -> Mapping[str, str]:
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "PERSIST_STATE": "0",
    }


def _without_proxy() -> dict[str, str]:
    """Keep loopback calls from the proxy of a company network; botocore heeds HTTP_PROXY."""
    proxies = getproxies()
    if not proxies:
        return {}
    excepted = ",".join(filter(None, [proxies.get("no"), "127.0.0.1"]))
    return {"NO_PROXY": excepted, "no_proxy": excepted}


@click.command()
@click.option("--account", default=ACCOUNT, show_default=True, help="Twelve digits; the access key.")
@click.option("--sqs-upstream", default=None, help="URL of another emulator for SQS, such as LocalStack.")
def main(account: str, sqs_upstream: str | None) -> None:
    """Run the local AWS until Ctrl-C, and print what to export."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        with LocalAws(account, sqs_upstream=sqs_upstream) as aws:
            for name, value in aws.environment().items():
                print(f"export {name}={value}")
            print(f"unset {' '.join(INTERFERING_VARIABLES)}", flush=True)
            print("Running; Ctrl-C stops it. (AWS CLI 1 needs --endpoint-url for sqs.)", file=sys.stderr)
            stopped.wait()
    except LocalAwsError as error:
        raise SystemExit(f"local AWS: {error}") from error


if __name__ == "__main__":
    main()
