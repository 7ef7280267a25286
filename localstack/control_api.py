"""The edge's own calls, below ``/_edge``: what is counted, what fails, what is delivered how."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from localstack.delivery import Mode
from localstack.dynamodb_rules import DynamoDB
from localstack.edge_http import Request, Response, Upstream, json_response
from localstack.faults import Fault, Faults
from localstack.late_calls import LateCalls
from localstack.permissions import Permissions
from localstack.rate_limits import WafLimits
from localstack.sqs_rules import Sqs
from localstack.table_limits import Rates
from localstack.waf import Waf

PREFIX = "/_edge/"

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Calls:
    """Counts calls by name, and those of them that the edge refused."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def reset(self) -> None:
        """Start at zero."""
        self.came.clear()
        self.refused.clear()

    def describe(self) -> dict[str, Any]:
        """Both counts by name."""
        return {"calls": dict(self.came), "refused": dict(self.refused)}


class EdgeState:
    """All that the edge knows."""

    def __init__(self, upstream: Upstream, sqs_upstream: Upstream, *, as_signed: bool = False) -> None:
        self.upstream = upstream
        self.sqs_upstream = sqs_upstream
        self.calls = Calls()
        self.faults = Faults()
        self.late = LateCalls()
        self.limits = WafLimits()
        self.permissions = Permissions()
        self.waf = Waf()
        self.dynamodb = DynamoDB(upstream.send)
        self.sqs = Sqs(sqs_upstream.send, as_signed=as_signed)

    def reset(self) -> None:
        """Forget everything, and every rule."""
        self.calls.reset()
        self.faults.clear()
        self.late.clear()
        self.limits.reset()
        self.waf.clear()
        self.dynamodb.reset()
        self.sqs.delivery.reset()
        self.sqs.newness.hide(0.0, 0.0)


class ControlApi:
    """Answers ``/_edge`` calls."""

    def __init__(self, state: EdgeState) -> None:
        self._state = state
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "calls"): lambda _data: state.calls.describe(),
            ("POST", "calls/reset"): self._reset_calls,
            ("GET", "faults"): lambda _data: {"faults": state.faults.describe(), "late": state.late.due},
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "limits"): lambda _data: self._limits(),
            ("POST", "limits"): self._set_limits,
            ("POST", "table-limits"): self._limit_tables,
            ("GET", "table-limits"): lambda _data: state.dynamodb.describe(),
            ("GET", "waf-changes"): lambda data: {"changes": state.waf.changes(data["account"], data["after"])},
            ("POST", "permissions"): self._give,
            ("GET", "permissions"): lambda data: state.permissions.describe(data["token"]),
            ("POST", "newness"): self._hide,
            ("GET", "delivery"): lambda _data: state.sqs.delivery.describe(),
            ("POST", "delivery"): self._deliver,
        }

    async def answer(self, request: Request) -> Response:
        """Carry out a call; what is wrong with it is answered with status 400."""
        route = (request.method, request.path.removeprefix(PREFIX))
        try:
            if route == ("GET", "health"):
                return await self._health()
            if route == ("POST", "reset"):
                return await self._reset()
            if route not in self._routes:
                return json_response({"error": f"no such call: {request.method} {request.path}"}, 404)
            return json_response(self._routes[route](json.loads(request.body or b"{}")))
        except (KeyError, TypeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)

    async def _health(self) -> Response:
        upstream = await self._state.upstream.get("/_ministack/health")
        return json_response({"status": "ok" if upstream.status == 200 else "starting"}, upstream.status)

    async def _reset(self) -> Response:
        self._state.reset()
        answer = await self._state.upstream.get("/_ministack/reset", "POST")
        if self._state.sqs_upstream is not self._state.upstream:
            await self._state.sqs.delete_queues()
        return json_response({"reset": answer.status == 200}, answer.status)

    def _reset_calls(self, _data: dict[str, Any]) -> dict[str, Any]:
        self._state.calls.reset()
        return {}

    def _add_fault(self, data: dict[str, Any]) -> dict[str, Any]:
        self._state.faults.add(Fault(**data))
        return {}

    def _clear_faults(self, _data: dict[str, Any]) -> dict[str, Any]:
        self._state.faults.clear()
        return {}

    def _limits(self) -> dict[str, Any]:
        limits = self._state.limits
        return {"waf_writes_per_s": limits.writes_per_s, "waf_reads_per_s": limits.reads_per_s}

    def _set_limits(self, data: dict[str, Any]) -> dict[str, Any]:
        rates = {**self._limits(), **data}
        self._state.limits.set_rates(rates["waf_writes_per_s"], rates["waf_reads_per_s"])
        return self._limits()

    def _limit_tables(self, data: dict[str, Any]) -> dict[str, Any]:
        self._state.dynamodb.limit(Rates(**data["rates"]) if data["rates"] is not None else None)
        return {}

    def _give(self, data: dict[str, Any]) -> dict[str, Any]:
        self._state.permissions.give(data["token"], data["policy"])
        return {}

    def _hide(self, data: dict[str, Any]) -> dict[str, Any]:
        self._state.sqs.newness.hide(data["queue_s"], data["attributes_s"])
        return {}

    def _deliver(self, data: dict[str, Any]) -> dict[str, Any]:
        self._state.sqs.delivery.set_mode(Mode(**data))
        return self._state.sqs.delivery.describe()
