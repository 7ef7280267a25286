"""Notices by Apprise: e-mail, chats, pagers, 180 services, each by a URL.

Apprise runs in a process of its own, for each notice another one: it brings 40 MB, waits in code of many authors,
and its URLs hold secrets. It is told everything on standard input, where nobody else sees it.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from f2b_worker.adapters.notify.fitting import as_json, cut
from f2b_worker.adapters.notify.running import environment, run
from f2b_worker.config.notice_secrets import apprise_scheme
from f2b_worker.errors import Rejected, StartError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.config.notices import AppriseAddress
    from f2b_worker.ports.notices import Notice

WITHIN_S = 60.0
BODY_MAX_BYTES = 32 * 1024
MISSING = 77
"""The exit code of the child where Apprise is not installed."""

URLS_MAX = 50
_OUTPUT_MAX = 16 * 1024
_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}
_WAY = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)


class AppriseTarget:
    """Some URLs.

    Args:
        address: Them.

    Raises:
        StartError: If they stand in a variable that is not set, or one is no URL.
    """

    def __init__(self, address: AppriseAddress) -> None:
        self._urls = tuple(url for each in address.urls for url in each.reveal().split())
        if not 0 < len(self._urls) <= URLS_MAX:
            raise StartError(f"urls: there are {len(self._urls)}; give 1 to {URLS_MAX}")
        self._schemes = tuple(self._scheme(number) for number in range(len(self._urls)))
        self._id = ""
        self._left: tuple[int, ...] = ()

    def send(self, notice: Notice) -> None:
        """Send one to each URL; sent again it goes to those only that did not take it.

        Raises:
            F2bError: If one did not take it. No URL is in the text.
        """
        if notice.id != self._id:
            self._id, self._left = notice.id, tuple(range(len(self._urls)))
        given = {
            "urls": [self._urls[number] for number in self._left],
            "title": notice.subject,
            "body": cut(notice.text, BODY_MAX_BYTES),
            "type": _TYPES[notice.severity],
        }
        argv = [sys.executable, "-P", "-m", "f2b_worker.adapters.notify.apprise_child"]
        variables = environment((*_WAY, "PYTHONPATH"))
        ended = run(argv, as_json(given), variables, within_s=WITHIN_S, output_max=_OUTPUT_MAX)
        if ended.code == MISSING:
            raise Rejected("Apprise is not installed: pip install 'f2b-worker[notify]'")
        try:
            outcomes = [str(each) for each in json.loads(ended.output)]
            refused = dict(zip(self._left, outcomes, strict=True))
        except (ValueError, TypeError):
            raise Unavailable(f"Apprise ended with exit code {ended.code}, and told nothing") from None
        self._left = tuple(number for number, outcome in refused.items() if outcome)
        if self._left:
            raise Unavailable(f"Apprise: {'; '.join(self._told(refused))}")

    def close(self) -> None:
        """Do nothing: each notice has a process of its own."""

    def _told(self, refused: dict[int, str]) -> Iterator[str]:
        for number in self._left:
            yield f"{self._which(number)} ({self._schemes[number]}): {refused[number]}"

    def _scheme(self, number: int) -> str:
        try:
            return apprise_scheme(self._urls[number])
        except ValueError as error:
            raise StartError(f"urls: {self._which(number)} {error}") from None

    def _which(self, number: int) -> str:
        return f"URL {number + 1} of {len(self._urls)}"
