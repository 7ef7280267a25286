"""A webhook is signed as Standard Webhooks has it, ends in time whatever comes back, and reaches nobody inside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.notify import webhook
from f2b_worker.adapters.notify.reaching import Reach
from f2b_worker.adapters.notify.webhook import WebhookTarget
from f2b_worker.config.notices import Secret, WebhookAddress
from f2b_worker.errors import F2bError, Invalid, Missing, Rejected, StartError, Throttled, Unavailable
from f2b_worker.ports.notices import Notice
from tests.notice_receivers import CLOSE, DRIP, FLOOD, HANG, Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = Secret("whsec_" + base64.b64encode(KEY).decode())
NOTICE = Notice("msg_1", "ban", "info", "a ban", "a ban", {"id": "msg_1", "at": "2026-11-30T01:02:03Z"}, 0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(webhook, "WITHIN_S", 0.3)
    monkeypatch.setattr(webhook, "WHOLE_S", 1.0)
    with receiver() as made:
        yield made


def target(server: Receiver, **more: bool) -> WebhookTarget:
    return WebhookTarget(WebhookAddress(Secret(server.url), SECRET, **more))


def test_a_receiver_can_verify_who_sent_a_notice_and_that_it_is_whole(server: Receiver) -> None:
    sending = target(server)
    sending.send(NOTICE)
    sending.send(NOTICE)
    first, again = server.posted
    assert first.path == "/hook?a=b"
    for each in (first, again):
        signed = f"{each.headers['webhook-id']}.{each.headers['webhook-timestamp']}.".encode() + each.body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert each.headers["webhook-signature"] == f"v1,{expected}"
        assert each.headers["content-type"] == "application/json"
        assert each.headers["webhook-id"] == "msg_1", "sent again it has the same id"
    assert first.data["type"] == "f2b.ban"
    assert first.data["timestamp"] == "2026-11-30T01:02:03Z"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (500, Unavailable),
        (503, Unavailable),
        (429, Throttled),
        (410, Missing),
        (400, Rejected),
        (413, Invalid),
        (302, Rejected),
        (HANG, Unavailable),
        (DRIP, Unavailable),
        (CLOSE, Unavailable),
    ],
)
def test_whatever_the_server_does_the_attempt_ends_and_is_an_error_without_the_url(
    server: Receiver, answer: int, kind: type[F2bError]
) -> None:
    server.answers.append(answer)
    with pytest.raises(F2bError) as failed:
        target(server).send(NOTICE)
    assert type(failed.value) is kind
    assert "hook" not in str(failed.value).replace("webhook", "")
    assert len(server.posted) == 1, "no redirect is followed"


def test_an_endless_answer_is_read_no_further_than_it_matters(server: Receiver) -> None:
    server.answers.append(FLOOD)
    target(server).send(NOTICE)


def test_where_nobody_listens_the_error_names_the_host() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = Secret(f"http://127.0.0.1:{free.getsockname()[1]}/secret")
        with pytest.raises(Unavailable, match=r"webhook at 127.0.0.1: Connection refused"):
            WebhookTarget(WebhookAddress(url)).send(NOTICE)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "224.0.0.1",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "::127.0.0.1",
        "fec0::1",
    ],
)
def test_no_address_inside_is_reached_however_it_is_written(address: str) -> None:
    assert not Reach("hooks.example", allow_private=False).allows(ip_address(address))


@pytest.mark.parametrize("address", ["203.0.114.7", "2a00:1450:4001::1", "64:ff9b::cb00:7207"])
def test_an_address_of_the_internet_is_reached(address: str) -> None:
    assert Reach("hooks.example", allow_private=False).allows(ip_address(address))


def test_addresses_inside_are_reached_where_that_is_allowed_but_never_those_that_hand_out_credentials() -> None:
    reach = Reach("hooks.example", allow_private=True)
    assert all(reach.allows(ip_address(each)) for each in ("10.0.0.1", "127.0.0.1", "fc00::1", "::1"))
    refused = ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "224.0.0.1", "fe80::1"]
    refused += ["192.0.0.192", "168.63.129.16"]  # of Oracle's cloud and of Azure
    assert not any(reach.allows(ip_address(each)) for each in refused)


def test_a_name_is_looked_up_once_and_only_a_checked_address_is_connected_to(
    server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.url.split(":")[2].split("/")[0])
    asked: list[str] = []

    def answer(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        # A name server of the attacker's: the internet at first, this machine the next time.
        place = ("127.0.0.1", port) if len(asked) > 1 else ("203.0.114.7", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)]

    connected: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(socket.socket, "connect", lambda _self, place: connected.append(place))
    monkeypatch.setattr(socket.socket, "getpeername", lambda _self: ("203.0.114.7", port))
    Reach("hooks.example", allow_private=False).connect("hooks.example", port, 1.0).close()
    assert (asked, connected) == (["hooks.example"], [("203.0.114.7", port)])
    with pytest.raises(Rejected, match="allow_private = true"):
        Reach("hooks.example", allow_private=False).connect("hooks.example", port, 1.0)
    # And what the socket says counts, whatever was looked up.
    asked.clear()
    monkeypatch.setattr(socket.socket, "getpeername", lambda _self: ("127.0.0.1", port))
    with pytest.raises(OSError, match="is not one that was checked"):
        Reach("hooks.example", allow_private=False).connect("hooks.example", port, 1.0)


def test_the_name_of_this_machine_reaches_this_machine_and_no_other() -> None:
    reach = Reach("localhost", allow_private=False)
    assert reach.allows(ip_address("127.0.0.1"))
    assert not reach.allows(ip_address("203.0.114.7"))


def test_an_address_in_a_variable_is_checked_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_URL", "http://hooks.example/very-secret")
    with pytest.raises(StartError, match=r"url: begins with http://") as refused:
        WebhookTarget(WebhookAddress(Secret(variable="HOOK_URL")))
    assert "very-secret" not in str(refused.value)
