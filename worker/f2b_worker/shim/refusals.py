"""Refusals of whole requests: counted by their reason, and in the log where a report is lost by how it came.

What reports by a proxy reads no answer: nginx throws away what its `mirror` and `post_action` are told. So nobody
but the log could say that each report of such a proxy is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.http.requests import peer_of
from f2b_worker.shim import metrics

if TYPE_CHECKING:
    from f2b_worker.http.replies import Reply
    from f2b_worker.http.requests import Scope

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_REMEDIES = {
    "cross_site": "have the proxy drop the browser's headers (Origin, Sec-Fetch-Site), or send a token",
    "unauthorized": "have the client or the proxy send the header Authorization with a bearer token",
    "method": "report one address by GET, several by POST; have a proxy send GET (proxy_method, set-method)",
    "rate_limited": "raise --rate-limit: a proxy is one peer for all its clients",
}


def refused(reason: str, answer: Reply) -> Reply:
    """Count a request that is refused."""
    metrics.refused.labels(reason).inc()
    return answer


def refused_report(reason: str, answer: Reply, scope: Scope) -> Reply:
    """Count a request that is refused; if it may report somebody, say in the log what to change."""
    if scope["path"].startswith("/infraction"):
        log.warning(
            "report_refused",
            kind=reason,
            status=answer.status,
            method=scope["method"],
            peer=peer_of(scope),
            remedy=_REMEDIES[reason],
        )
    return refused(reason, answer)
