"""What the middlewares share: the rules, and the object that an application finds as ``f2b`` in its request."""

from __future__ import annotations

from f2b_producer._client import Producer
from f2b_producer._client_address import ClientAddress
from f2b_producer._infraction import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from f2b_producer._client_address import Network

SERVER_ERROR = 500


class Watch:
    """Reports requests by the status of their responses.

    Args:
        producer: Reports.
        statuses: The jail for a response status.
        decide: Asked with the status and the request (an ASGI scope, a WSGI environ, Django's request) for the
            jail, after *statuses* named none; None reports nothing.
        trusted_hops: See `ClientAddress`.
        trusted_proxies: See `ClientAddress`.

    Raises:
        ValueError: If a setting makes no sense, or it is not said which proxies to trust.
    """

    def __init__(
        self,
        producer: Producer,
        statuses: Mapping[int, str] | None,
        decide: Callable[[int, object], str | None] | None,
        trusted_hops: int | None,
        trusted_proxies: Iterable[Network] | None,
    ) -> None:
        for status, jail in (statuses or {}).items():
            if not isinstance(status, int) or not 100 <= status <= 599:
                raise ValueError(f"statuses: {status!r} is no response status from 100 to 599")
            read("::", jail, 0, None)  # a wrong jail would be refused at every request
        if decide is not None and not callable(decide):
            raise ValueError("decide must be a function of the status and the request")
        self.find_client = ClientAddress(trusted_hops, trusted_proxies).find
        if not isinstance(producer, Producer):  # the URL, say: each report would raise into the application
            name = type(producer).__name__
            raise ValueError(f"producer must be a Producer, not {name}")  # noqa: TRY004 - as the other settings
        self.producer = producer
        self._statuses = dict(statuses or {})
        self._decide = decide

    def jail(self, status: int, request: object) -> str | None:
        """Return the jail that a response with *status* is reported to, None for none."""
        jail = self._statuses.get(status)
        if jail is not None or self._decide is None:
            return jail
        try:
            jail = self._decide(status, request)
        except Exception:  # noqa: BLE001 - it is not the visitor's request that is wrong
            self.producer.refuse("decide")
            return None
        if jail is None or isinstance(jail, str):
            return jail
        self.producer.refuse("jail")
        return None


class Visit:
    """One request; what the application reports here is about the client that sent it.

    It holds no request: the request holds it, and a circle would stay in memory until a collection.

    Args:
        watch: The rules.
        peer: Where the connection comes from, as the server names it.
        forwarded: All of X-Forwarded-For, as the server keeps it.
    """

    __slots__ = ("_forwarded", "_judged", "_peer", "_reported", "_watch")

    def __init__(self, watch: Watch, peer: Any, forwarded: Any) -> None:
        self._watch = watch
        self._peer = peer
        self._forwarded = forwarded
        self._judged = False
        self._reported: tuple[str, ...] = ()

    @property
    def client(self) -> str | None:
        """The client's address, without port; None if the trusted hops or proxies do not tell it."""
        try:
            return self._watch.find_client(*self._texts())
        except Exception:  # noqa: BLE001 - a server may say anything; nothing may leave here
            return None

    def report(self, jail: str = "default", note: str | None = None, *, weight: int = 1) -> None:
        """Report the client of this request as `Producer.report` does: it neither waits nor raises.

        The response is then not reported to the same jail once more for its status. A client that cannot be
        told is counted in `Stats.refused` as "no-client".
        """
        client = self.client
        if client is None:
            self._watch.producer.refuse("no-client")
            return
        self._reported += (jail,)
        self._watch.producer.report(client, jail, None, note, weight=weight)

    def judge(self, status: int, request: object) -> None:
        """Report the request if its response's status asks for it, once."""
        if self._judged:
            return
        jail = self._watch.jail(status, request)
        if jail is not None:
            self._judged = True
            if jail not in self._reported:
                self.report(jail)

    def _texts(self) -> tuple[str | None, str]:
        return self._peer, self._forwarded
