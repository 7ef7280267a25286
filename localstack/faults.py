"""Failures made to order, and AWS's own errors in AWS's own shapes."""

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from html import escape
from typing import Any, Literal, get_args

from localstack.edge_http import Request, Response, json_response

FaultKind = Literal["throttle", "error", "answer", "delay", "reset_before", "reset_after", "late"]

_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "RequestThrottled",
    "wafv2": "ThrottlingException",
}
_BROKEN = {
    "dynamodb": "InternalServerError",
    "sqs": "InternalFailure",
    "wafv2": "WAFInternalErrorException",
}


class ApiError(Exception):
    """An error as an AWS service answers it; botocore shows ``code`` as ``Error.Code``."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields

    def response(self) -> Response:
        """The error as an answer in the JSON protocol."""
        body = {"__type": self.code, "message": self.message, "Message": self.message, **self.fields}
        answer = json_response(body, self.status)
        answer.headers.append(("x-amzn-errortype", self.code))
        return answer


class FormError(ApiError):
    """An error of a service whose calls are forms, and whose answers are XML."""

    def response(self) -> Response:
        """The error as an answer in the query protocol."""
        code, message = escape(self.code), escape(self.message)
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f"<ErrorResponse>{error}<RequestId>edge</RequestId></ErrorResponse>"
        return Response(self.status, body.encode(), [("content-type", "text/xml"), ("x-amzn-requestid", "edge")])


def throttled(service: str, code: str | None = None) -> ApiError:
    """The service's refusal of one call too many."""
    return ApiError(code or _THROTTLED.get(service, "ThrottlingException"), "Rate exceeded")


def broken(service: str, code: str | None = None) -> ApiError:
    """The service's internal error."""
    code = code or _BROKEN.get(service, "InternalFailure")
    return ApiError(code, "We encountered an internal error. Please try again.", 500)


class AnsweredError(ApiError):
    """An answer with status 200 that is not the service's, as a proxy may give it."""

    def response(self) -> Response:
        """The body as it was given, as if it were the service's."""
        headers = [("content-type", "application/x-amz-json-1.0")]
        return Response(200, self.message.encode(), headers)


class ResetError(Exception):
    """The connection to the client is to be reset instead of answered."""


@dataclass(slots=True)
class Fault:
    """A rule: calls that match ``match`` fail in the way ``kind`` says.

    Attributes:
        match: ``dynamodb:UpdateItem``, ``wafv2:*``, ``*``; ``*`` and ``?`` as in a shell.
        kind: throttle and error answer for the service, and so does answer, with 200 and ``body``; delay waits
            first; reset_before and reset_after drop the connection before or after the call took effect, so that
            reset_after loses an answer; late drops it at once, and the call takes effect when nobody waits for it.
        probability: share of the matching calls that fail.
        times: how many calls fail in all; None for no end.
        delay_s: for delay, how long; for late, how long after the connection was dropped at most.
        code: for throttle and error, another code than the service's usual one.
        body: for answer, what is answered.
        seed: of the dice; the same seed and calls fail the same.
    """

    match: str
    kind: FaultKind
    probability: float = 1.0
    times: int | None = None
    delay_s: float = 0.0
    code: str | None = None
    body: str = ""
    seed: int = 0
    hits: int = 0
    _dice: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown kind of fault: {self.kind}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"not a probability: {self.probability}")
        self._dice = random.Random(self.seed)

    def strikes(self, call: str) -> bool:
        """Whether this call fails; a call that does is counted."""
        if self.times is not None and self.hits >= self.times:
            return False
        if not fnmatchcase(call, self.match) or self._dice.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def draw_delay_s(self) -> float:
        """How long one late call takes to take effect."""
        return self._dice.uniform(0.0, self.delay_s)

    def describe(self) -> dict[str, Any]:
        """The rule and its hits so far, for the control API."""
        return {"match": self.match, "kind": self.kind, "times": self.times, "hits": self.hits}


@dataclass(slots=True)
class Plan:
    """What the rules decided about one call.

    Attributes:
        late_s: How long after its connection is dropped it takes effect; None if it is not late.
    """

    delay_s: float = 0.0
    refusal: ApiError | ResetError | None = None
    reset_after: bool = False
    late_s: float | None = None


class Faults:
    """All rules in force, in the order they were made."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a rule in force."""
        self._rules.append(fault)

    def clear(self) -> None:
        """Drop all rules."""
        self._rules.clear()

    def describe(self) -> list[dict[str, Any]]:
        """All rules and their hits."""
        return [fault.describe() for fault in self._rules]

    def plan(self, request: Request) -> Plan:
        """Decide about a call: delays add up, the first other rule that strikes is the one."""
        plan = Plan()
        for fault in self._rules:
            settled = plan.refusal is not None or plan.reset_after or plan.late_s is not None
            if (settled and fault.kind != "delay") or not fault.strikes(request.name):
                continue
            match fault.kind:
                case "delay":
                    plan.delay_s += fault.delay_s
                case "throttle":
                    plan.refusal = throttled(request.service, fault.code)
                case "error":
                    plan.refusal = broken(request.service, fault.code)
                case "answer":
                    plan.refusal = AnsweredError("", fault.body)
                case "reset_before":
                    plan.refusal = ResetError()
                case "reset_after":
                    plan.reset_after = True
                case "late":
                    plan.late_s = fault.draw_delay_s()
        return plan
