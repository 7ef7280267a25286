"""The published description of the HTTP interface, held against the interface by requests made up from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import negative_data_rejection

from f2b_worker.domain.judge.sorting import FUTURE_ALLOWED_MS
from f2b_worker.shim.app import make_app
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.openapi import document
from f2b_worker.testing import FakeClock, MemoryOutbox

if TYPE_CHECKING:
    from schemathesis.core.transport import Response

# So that no moment that the description allows lies ahead, and the first that it does not allow does.
LATEST_MS = 253_402_300_799_999 - FUTURE_ALLOWED_MS
OUTBOX = MemoryOutbox()
APP = make_app(OUTBOX, FakeClock(LATEST_MS), Limits(expose_state=True))
PROFILE = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@schemathesis.serializer("application/x-ndjson")
def one_a_line(_: object, items: object) -> bytes:
    """Write what OpenAPI can only describe as a list."""
    lines = items if isinstance(items, list) else [items]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


described = schemathesis.openapi.from_asgi("/openapi.json", APP)


@described.parametrize()
@PROFILE
def test_every_answer_is_one_that_is_described(case: Any) -> None:
    before = len(OUTBOX.stored)
    answer: Response = case.call()
    # A list of which one item is wrong is not rejected, which is what the check wants: the item is, in a 207.
    case.validate_response(answer, excluded_checks=[negative_data_rejection] if answer.status_code == 207 else [])
    stored = len(OUTBOX.stored) - before
    if case.path == "/infraction/{ip}":
        assert stored == (answer.status_code == 200)
    elif case.path == "/infractions":
        assert stored == (answer.json()["stored"] if answer.status_code in {200, 207} else 0)
        if answer.status_code == 207:
            assert sum(answer.json()["refused"].values()) > 0
    else:
        assert stored == 0


@pytest.mark.parametrize("with_state", [True, False])
@pytest.mark.parametrize("with_tokens", [True, False])
def test_the_description_names_what_is_switched_on_and_nothing_else(
    *, with_tokens: bool, with_state: bool
) -> None:
    told = document(with_tokens=with_tokens, with_state=with_state)
    assert ("/state/requests" in told["paths"]) is with_state
    assert ("security" in told["paths"]["/infractions"]["post"]) is with_tokens
    assert "security" not in told["paths"]["/healthz"]["get"]
    Draft202012Validator.check_schema(told["components"]["schemas"]["Infraction"])
    assert json.loads(json.dumps(told)) == told
