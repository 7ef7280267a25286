"""A client of the producer's own is made anew when that may help, and connects anew after a long silence."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from f2b_producer._aws import may_heal
from f2b_producer._infraction import read
from f2b_producer._pack import encode
from f2b_producer._renewal import RENEW_FIRST_S, RENEW_MAX_S, SILENT_MAX_S
from f2b_producer._sender import Outcome, Sender
from f2b_producer.testing import RecordingClient

PACKS = encode([read("203.0.113.7", "login", 1_763_833_500, None)])


class Client(RecordingClient):
    """Counts how often its connections were closed."""

    def __init__(self, down: Exception | None = None) -> None:
        super().__init__()
        self.down = down
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A sender whose clients are made here, on clocks that only the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("f2b_producer._sender.connect", self._connect)
        self.now_s = self.wall_s = 1_000.0
        self.sender = Sender("memory:", None, clock=lambda: self.now_s, wall=lambda: self.wall_s)
        self.down: Exception | None = None
        self.unmakeable: Exception | None = None
        self.clients: list[Client] = []
        self.made_s: list[float] = []

    def _connect(self, _queue_url: str) -> Client:
        self.made_s.append(self.now_s - 1_000.0)
        if self.unmakeable:
            raise self.unmakeable
        self.clients.append(Client(self.down))
        return self.clients[-1]

    def send(self) -> Outcome:
        return self.sender.send(PACKS)

    def send_for(self, seconds: int) -> None:
        for _ in range(seconds * 4):
            assert self.send().failed
            self.now_s += 0.25


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def refused(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendMessageBatch")


CREDENTIALS = [
    NoCredentialsError(),
    CredentialRetrievalError(provider="iam-role", error_msg="no answer"),
    RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
    *(refused(code, 400) for code in ("ExpiredTokenException", "UnrecognizedClientException", "AccessDenied")),
    *(refused(code, 403) for code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidAccessKeyId")),
]
NETWORK = [
    EndpointConnectionError(endpoint_url="https://sqs", error="refused"),
    ConnectTimeoutError(endpoint_url="https://sqs"),
    ReadTimeoutError(endpoint_url="https://sqs"),
    ConnectionResetError(),
    refused("InternalFailure", 500),
    refused("ServiceUnavailable", 503),
]


@pytest.mark.parametrize("error", CREDENTIALS, ids=str)
def test_a_client_without_valid_credentials_is_made_anew(error: Exception, bench: Bench) -> None:
    bench.down = error
    assert bench.send().failed == PACKS
    bench.down = None
    bench.now_s += RENEW_FIRST_S
    assert bench.send().sent == PACKS
    assert [client.closed for client in bench.clients] == [1, 0]


@pytest.mark.parametrize("error", NETWORK, ids=repr)
def test_a_client_that_the_network_or_the_service_failed_is_kept(error: Exception, bench: Bench) -> None:
    bench.down = error
    bench.send_for(60)
    assert len(bench.made_s) == 1
    assert not may_heal(error)


def test_the_pauses_between_new_clients_grow_to_half_a_minute_and_begin_anew_when_one_gets_through(
    bench: Bench,
) -> None:
    bench.down = NoCredentialsError()
    bench.send_for(100)
    assert bench.made_s == [0, 1, 3, 7, 15, 31, 31 + RENEW_MAX_S, 31 + 2 * RENEW_MAX_S]
    bench.clients[-1].down = None
    assert bench.send().sent
    bench.clients[-1].down = NoCredentialsError()
    bench.made_s.clear()
    bench.send_for(2)
    assert bench.made_s == [100.25, 101.25]


def test_a_client_that_cannot_be_made_is_tried_again_after_the_same_pauses_and_its_error_told_meanwhile(
    bench: Bench,
) -> None:
    bench.unmakeable = LookupError("no region")
    bench.send_for(8)
    assert bench.made_s == [0, 1, 3, 7]
    assert bench.send().error == "LookupError: no region"
    bench.unmakeable = None
    bench.now_s += RENEW_MAX_S
    assert bench.send().sent


def test_until_a_new_client_can_be_made_the_old_one_is_used_and_may_get_through(bench: Bench) -> None:
    bench.down = refused("AccessDenied", 403)
    assert bench.send().failed
    bench.unmakeable = LookupError("no credentials now")
    bench.now_s += RENEW_FIRST_S
    assert bench.send().failed
    [old] = bench.clients
    old.down = None  # as when the policy was mended
    assert bench.send().sent
    assert bench.send().sent
    assert (len(bench.made_s), old.closed) == (2, 0)


def test_a_client_that_was_given_is_neither_made_anew_nor_closed(bench: Bench) -> None:
    client = Client(NoCredentialsError())
    bench.sender = Sender("memory:", client, clock=lambda: bench.now_s, wall=lambda: bench.wall_s)
    bench.send_for(120)
    client.down = None
    assert bench.send().sent
    assert bench.sender.warm_up()
    assert (bench.made_s, client.closed) == ([], 0)


@pytest.mark.parametrize("clock", ["now_s", "wall_s"])
def test_a_connection_that_was_silent_for_longer_than_a_minute_by_either_clock_is_not_used(
    clock: str, bench: Bench
) -> None:
    assert bench.send().sent
    setattr(bench, clock, getattr(bench, clock) + SILENT_MAX_S + 1)
    assert bench.send().sent
    assert bench.send().sent
    [client] = bench.clients
    assert client.closed == 1


def test_a_connection_that_is_used_now_and_then_is_kept_also_when_the_wall_clock_is_set_back(bench: Bench) -> None:
    for _ in range(5):
        assert bench.send().sent
        bench.now_s += SILENT_MAX_S
        bench.wall_s -= 3_600
    [client] = bench.clients
    assert client.closed == 0


def test_whatever_a_client_raises_the_packs_are_kept(bench: Bench) -> None:
    assert bench.send().sent

    def leave(**_: Any) -> Any:
        raise SystemExit(3)

    bench.clients[0].send_message_batch = leave  # type: ignore[method-assign]
    assert bench.send() == Outcome([], PACKS, [], "SystemExit: 3")


def test_the_exit_of_a_signal_handler_ends_a_warm_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_queue_url: str) -> Any:
        raise SystemExit(7)

    monkeypatch.setattr("f2b_producer._sender.connect", interrupted)
    with pytest.raises(SystemExit):
        bench.sender.warm_up()


def test_warm_up_makes_a_new_client_when_the_one_there_is_has_no_credentials(bench: Bench) -> None:
    bench.down = NoCredentialsError()
    assert bench.send().failed
    bench.down = None
    assert bench.sender.warm_up()
    assert bench.send().sent
    assert len(bench.clients) == 2
