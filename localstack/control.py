"""Python's side of the edge's control API."""

import contextlib
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from localstack.faults import FaultKind

TIMEOUT_S = 30.0


class EdgeControlError(Exception):
    """The edge refused a control call."""


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """How SQS delivers, and what it still owes.

    Attributes:
        duplicate: whether every message is delivered twice.
        shuffle: whether messages come out of order.
        duplicates_delivered: second deliveries so far.
        duplicates_pending: second deliveries to come.
        held: messages taken from their queue for shuffling and not delivered yet.
    """

    duplicate: bool
    shuffle: bool
    duplicates_delivered: int
    duplicates_pending: int
    held: int


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """What came under one session token.

    Attributes:
        calls: how many calls, allowed or not.
        refused: what the policy, as it is now, does not allow, and how often it was needed.
    """

    calls: int
    refused: dict[str, int]


class EdgeControl:
    """Steers a running edge; every method raises EdgeControlError for a call that makes no sense."""

    def __init__(self, endpoint_url: str) -> None:
        self._netloc = urlsplit(endpoint_url).netloc

    def calls(self) -> dict[str, int]:
        """How many calls came in, by names such as ``dynamodb:UpdateItem``; refused ones included."""
        return dict(self._send("GET", "calls")["calls"])

    def refused(self) -> dict[str, int]:
        """How many of them were refused by a rate limit or by a throttle, error or reset_before fault."""
        return dict(self._send("GET", "calls")["refused"])

    def reset_calls(self) -> None:
        """Count from zero again."""
        self._send("POST", "calls/reset")

    def fault(  # noqa: PLR0913 - each says one thing about the fault
        self,
        match: str,
        kind: FaultKind,
        *,
        probability: float = 1.0,
        times: int | None = None,
        delay_s: float = 0.0,
        code: str | None = None,
        body: str = "",
        seed: int = 0,
    ) -> None:
        """Make calls fail from now on; see ``localstack.faults.Fault``."""
        rule = {"match": match, "kind": kind, "probability": probability, "times": times}
        self._send("POST", "faults", {**rule, "delay_s": delay_s, "code": code, "body": body, "seed": seed})

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, each with its ``hits``."""
        return list(self._send("GET", "faults")["faults"])

    def late_calls(self) -> int:
        """How many calls that were made late have not taken effect yet."""
        return int(self._send("GET", "faults")["late"])

    def clear_faults(self) -> None:
        """Let calls succeed again; what is late already still takes effect."""
        self._send("DELETE", "faults")

    def permit(self, token: str, policy: dict[str, Any] | None) -> None:
        """Hold everybody who calls with this session token to an IAM policy; None ends that."""
        self._send("POST", "permissions", {"token": token, "policy": policy})

    def needed(self, token: str) -> set[tuple[str, str]]:
        """The actions, each with its resource, that calls with this session token needed."""
        return {(action, resource) for action, resource in self._permissions(token)["needed"]}

    def policy_use(self, token: str) -> PolicyUse:
        """What calls with this session token came to, since its policy was given for the first time."""
        found = self._permissions(token)
        refused = {f"{action} on {resource}": number for action, resource, number in found["refused"]}
        return PolicyUse(found["calls"], refused)

    def _permissions(self, token: str) -> dict[str, Any]:
        return self._send("GET", "permissions", {"token": token})

    def deliver(self, *, duplicate: bool = False, shuffle: bool = False, seed: int = 0, depth: int = 100) -> None:
        """Switch how SQS delivers; see ``localstack.delivery``."""
        self._send("POST", "delivery", {"duplicate": duplicate, "shuffle": shuffle, "seed": seed, "depth": depth})

    def hide_new(self, *, queue_s: float = 0.0, attributes_s: float = 0.0) -> None:
        """Let SQS not show new queues, and new redrive policies, for so long; by default it shows all at once."""
        self._send("POST", "newness", {"queue_s": queue_s, "attributes_s": attributes_s})

    def delivery(self) -> DeliveryStats:
        """How SQS delivers at the moment, and what it still owes."""
        return DeliveryStats(**self._send("GET", "delivery"))

    def waf_changes(self, account: str, *, after: int = 0) -> list[dict[str, Any]]:
        """What took effect in an account's IP sets, oldest first, without a call of WAF.

        Each change has its ``number``, ``at_s`` (epoch), ``ip_set``, and the entries ``added`` and ``removed``.

        Args:
            account: Whose IP sets.
            after: The number of the last change that is known already.
        """
        return list(self._send("GET", "waf-changes", {"account": account, "after": after})["changes"])

    def set_waf_rate(self, per_second: float | None) -> None:
        """Change how many calls of one Create, Put or Update action WAF takes; None for any number."""
        self._send("POST", "limits", {"waf_writes_per_s": per_second})

    def set_waf_read_rate(self, per_second: float | None) -> None:
        """Change how many calls of one Get or List action WAF takes; None for any number."""
        self._send("POST", "limits", {"waf_reads_per_s": per_second})

    def limit_tables(self, **rates: float) -> None:
        """Limit DynamoDB's units a second from now on, by default as AWS does; see ``localstack.table_limits``.

        Args:
            rates: What is not AWS's.
        """
        self._send("POST", "table-limits", {"rates": rates})

    def count_units(self) -> None:
        """Count DynamoDB's units a second from now on, from zero, and limit nothing."""
        self._send("POST", "table-limits", {"rates": None})

    def table_units(self) -> dict[str, Any]:
        """The ``limits``, ``peak_key_writes`` and ``peak_key_reads`` as units and key, and what was ``throttled``.

        The limits are None where units are only counted; ``throttled`` is how often, by AWS's name of the reason.
        """
        return self._send("GET", "table-limits")

    def reset(self) -> None:
        """Wipe everything, queues, tables and web ACLs included, and go back to AWS's own limits."""
        self._send("POST", "reset")

    def _send(self, method: str, path: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        with contextlib.closing(http.client.HTTPConnection(self._netloc, timeout=TIMEOUT_S)) as connection:
            connection.request(method, f"/_edge/{path}", json.dumps(data or {}))
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        if response.status != http.HTTPStatus.OK:
            raise EdgeControlError(answer.get("error", f"status {response.status}"))
        return answer
