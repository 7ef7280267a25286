"""The shim's own connections to SQS under TLS: they trust whom boto3 trusts, and nobody else."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.credentials import Credentials

from f2b_worker.adapters.sqs.direct import DirectCalls
from f2b_worker.adapters.sqs.queue import SqsQueue
from f2b_worker.errors import F2bError, Unavailable
from tests.conftest import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient

    from localstack.local_aws import LocalAws

HOST = "localhost"
BODIES = ("one", "two")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of its own authority for this host, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        skip_or_fail("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run([openssl, "req", "-x509", *kind, *names, *files], check=True, capture_output=True)
    return certificate, key


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(OSError):  # the other end may have gone first
        await writer.wait_closed()


@asynccontextmanager
async def tls_before(upstream_port: int, certificate: tuple[Path, Path]) -> AsyncIterator[int]:
    """Speak TLS on a free port before a server that does not."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    served: list[asyncio.Task[Any] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", upstream_port)
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

    async with await asyncio.start_server(serve, HOST, 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, served))


async def send(
    sqs: SQSClient, queue_url: str, account: str, certificate: tuple[Path, Path]
) -> list[F2bError | None]:
    """Send through TLS to the queue of a client without it."""
    async with tls_before(int(sqs.meta.endpoint_url.rpartition(":")[2]), certificate) as port:
        client = boto3.client("sqs", endpoint_url=f"https://{HOST}:{port}", region_name="us-east-1")
        outbox = SqsQueue(DirectCalls(client, Credentials(account, "local")), queue_url=queue_url)
        try:
            return await outbox.send(BODIES, within_s=5)
        finally:
            await outbox.close()
            client.close()


@pytest.fixture
def sqs(aws_in_process: LocalAws, account: str) -> Iterator[SQSClient]:
    with closing(aws_in_process.client("sqs", account=account)) as client:
        yield client


@pytest.fixture
def queue_url(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName="f2b")["QueueUrl"]


def received(sqs: SQSClient, queue_url: str) -> list[str]:
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return sorted(message["Body"] for message in answer.get("Messages", []))


@pytest.mark.parametrize(
    "told_by",
    ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE before REQUESTS_CA_BUNDLE"],
)
def test_a_queue_whose_authority_the_environment_names_is_used(  # noqa: PLR0917
    sqs: SQSClient,
    queue_url: str,
    account: str,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    told_by: str,
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    first, _, second = told_by.partition(" before ")
    if second:
        monkeypatch.setenv(second, "/dev/null")
    monkeypatch.setenv(first, str(certificate[0]))
    assert asyncio.run(send(sqs, queue_url, account, certificate)) == [None, None]
    assert received(sqs, queue_url) == sorted(BODIES)


def test_a_queue_that_nobody_vouches_for_is_sent_nothing(
    sqs: SQSClient, queue_url: str, account: str, certificate: tuple[Path, Path]
) -> None:
    answers = asyncio.run(send(sqs, queue_url, account, certificate))
    assert {type(answer) for answer in answers} == {Unavailable}
    assert "certificate" in str(answers[0])
    assert received(sqs, queue_url) == []
