"""What this process took in, for the pages below `/state`: bounded, and gone when it ends."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.judge.infractions import Infraction

ADDRESSES_MAX = 10_000
REQUESTS_MAX = 1_000
_TARGET_CHARACTERS_MAX = 200
# datetime knows no other years than 1 to 9999; the wire format does.
_EARLIEST_MS, _LATEST_MS = -62_135_596_800_000, 253_402_300_799_999


class Request(NamedTuple):
    """One request as it was answered."""

    at_ms: int
    peer: str
    method: str
    target: str
    status: int


class State:
    """Addresses by when they were last reported, and the latest requests."""

    def __init__(self, addresses_max: int = ADDRESSES_MAX, requests_max: int = REQUESTS_MAX) -> None:
        self.addresses_max = addresses_max
        self.requests_max = requests_max
        self._seen: OrderedDict[tuple[str, str], list[int]] = OrderedDict()  # how many, the first, the last
        self._requests: deque[Request] = deque(maxlen=requests_max)

    def take(self, infractions: Iterable[Infraction]) -> None:
        """Remember infractions that were stored."""
        for ip, jail, at_ms, _, _, weight in infractions:
            known = self._seen.pop((ip, jail), None)
            if known is None:
                known = [0, at_ms, at_ms]
                if len(self._seen) >= self.addresses_max:
                    self._seen.popitem(last=False)
            known[0] += weight
            known[1] = min(known[1], at_ms)
            known[2] = max(known[2], at_ms)
            self._seen[ip, jail] = known

    def note(self, request: Request) -> None:
        """Remember how a request was answered."""
        self._requests.append(request._replace(target=request.target[:_TARGET_CHARACTERS_MAX]))

    def infractions(self) -> Iterator[dict[str, Any]]:
        """List addresses, those reported last on top; others may be reported meanwhile."""
        for (ip, jail), (number, first_ms, last_ms) in reversed([*self._seen.items()]):
            first, last = _shown(first_ms), _shown(last_ms)
            yield {"ip": ip, "jail": jail, "infractions": number, "first": first, "last": last}

    def requests(self) -> Iterator[dict[str, Any]]:
        """List requests, the latest on top."""
        for request in reversed([*self._requests]):
            yield {"at": _shown(request.at_ms)} | {
                name: value for name, value in request._asdict().items() if name != "at_ms"
            }


def _shown(at_ms: int) -> str:
    moment = datetime.fromtimestamp(min(max(at_ms, _EARLIEST_MS), _LATEST_MS) / 1000, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='milliseconds')}Z"
