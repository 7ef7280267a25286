"""Apprise: what attackers wrote stays text, also where a service takes HTML."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.notify.apprise import AppriseTarget
from f2b_worker.config.notices import AppriseAddress, Secret
from f2b_worker.errors import StartError, Unavailable
from f2b_worker.ports.notices import Notice
from tests.notice_receivers import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

TEXT = "a ban: <img src=http://evil.example/x.png>\nsecond line"


class Post(socketserver.StreamRequestHandler):
    """Enough of SMTP to take a mail."""

    mails: list[bytes]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 well\r\n")


@contextmanager
def post_office() -> Iterator[tuple[int, list[bytes]]]:
    mails: list[bytes] = []
    handler = type("Handler", (Post,), {"mails": mails})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()


def parts(mail: bytes) -> dict[str, str]:
    found: list[Message] = list(message_from_bytes(mail).walk())
    payloads = {each.get_content_type(): each.get_payload(decode=True) for each in found}
    return {kind: bytes(given).decode() for kind, given in payloads.items() if isinstance(given, bytes)}


@pytest.mark.parametrize("given", ["xoxb-1234567890-secret", "json://a xoxb-1-secret", "token:secret@host"])
def test_what_is_no_url_is_refused_before_anything_is_sent_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("CHAT_URLS", given)
    with pytest.raises(StartError, match=r"URL \d of \d is no URL of Apprise: write it as SCHEME://") as refused:
        AppriseTarget(AppriseAddress((Secret(variable="CHAT_URLS"),)))
    assert "secr" not in str(refused.value)
    assert "xoxb" not in str(refused.value)


def test_of_a_url_that_apprise_does_not_know_only_its_scheme_is_told() -> None:
    with pytest.raises(Unavailable) as refused:
        AppriseTarget(AppriseAddress((Secret("nosuch://secret"),))).send(
            Notice("m", "ban", "info", "a", "b", {}, 0)
        )
    assert str(refused.value) == "Apprise: URL 1 of 1 (nosuch): is no URL of Apprise"


def test_what_is_in_a_mail_is_text_and_its_lines_stay_lines() -> None:
    with post_office() as (port, mails):
        url = f"mailto://127.0.0.1:{port}/?from=f2b@example.org&to=ops@example.org&smtp=127.0.0.1&mode=insecure"
        AppriseTarget(AppriseAddress((Secret(url),))).send(Notice("m", "ban", "info", "a ban", TEXT, {}, 0))
    (mail,) = mails
    said = parts(mail)
    assert "<img" not in said.get("text/html", "")
    assert said["text/plain"].strip().splitlines() == TEXT.splitlines()


def test_what_is_too_long_for_a_service_is_cut_unless_the_url_says_otherwise() -> None:
    text = "500 bans: login 500\n" + "203.0.113.7 banned in login for 10m\n" * 500
    with receiver() as server:
        url = server.url.partition("/hook")[0].replace("http://", "ntfy://") + "/topic"
        for each in (url, f"{url}?overflow=upstream"):
            AppriseTarget(AppriseAddress((Secret(each),))).send(Notice("m", "ban", "info", "bans", text, {}, 0))
    cut, whole = [each.body.decode() for each in server.posted]
    assert text[:5_000] in cut
    assert len(cut) <= 7_800, "what ntfy takes"
    assert text.strip() in whole
