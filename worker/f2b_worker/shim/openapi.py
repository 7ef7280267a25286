"""The OpenAPI document of the interface: what is there, and every answer that it gives."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from f2b_worker.domain.jails import DEFAULT_JAIL, JAIL_NAME, JAIL_NAME_RULE
from f2b_worker.shim.items import TOLD_MAX
from f2b_worker.wire import Simple

_ADDRESS = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_MOMENT = {
    "description": "RFC 3339 or epoch seconds; not more than 5 minutes ahead. Now, by default.",
    # To the end of the year 9999, where RFC 3339 ends.
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "number", "minimum": -9_007_199_254_740, "maximum": 253_402_300_799},
        {"type": "null"},
    ],
}
_NOTE = {"description": "Text, of which the first 200 characters are kept; what is no text is left out."}
_REPORTER = {"description": f"Who reports: {JAIL_NAME_RULE}; what is no such name is left out."}
_LINE = {"text/plain": {"schema": {"type": "string"}}}
_JAIL: dict[str, Any] = {
    "name": "jail",
    "in": "query",
    "description": "The jail of infractions that name none.",
    "schema": {"type": "string", "pattern": f"^{JAIL_NAME.pattern}$", "default": DEFAULT_JAIL},
}
_PLACE = {"type": "integer", "minimum": 0}
_RESULT = {
    "description": "One that was not stored. 503: it may be sent again.",
    "type": "object",
    "required": ["index", "status", "reason", "detail"],
    "properties": {
        "index": _PLACE,
        "status": {"type": "integer", "enum": [400, 503]},
        "reason": {"type": "string"},
        "detail": {"type": "string"},
    },
}
_SPAN = {
    "description": "Places of the request, both included. What has an id there, or what has none, was not stored.",
    "type": "object",
    "required": ["first", "last", "with_id"],
    "properties": {"first": _PLACE, "last": _PLACE, "with_id": {"type": "boolean"}},
}
_RESULTS = {
    "type": "object",
    "required": ["stored", "refused", "results"],
    "properties": {
        "stored": {"type": "integer", "minimum": 0},
        "refused": {
            "description": "How many were not stored, by their reason.",
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 1},
        },
        "results": {
            "description": "The first of those, one by one.",
            "type": "array",
            "maxItems": TOLD_MAX,
            "items": {"$ref": "#/components/schemas/Result"},
        },
        "again": {
            "description": "Where those are that may be sent again.",
            "type": "array",
            "maxItems": TOLD_MAX,
            "items": _SPAN,
        },
        "detail": {"type": "string"},
    },
}
_TOKEN_HEADER = {"WWW-Authenticate": {"schema": {"type": "string"}}}
_ACCEPTED_HEADER = {"Accept-Encoding": {"schema": {"type": "string"}}}
_LATER_HEADER = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}


def document(*, with_tokens: bool, with_state: bool) -> dict[str, Any]:
    """Write the document for a shim that wants tokens or not, and shows its state or not."""
    paths = {
        "/infraction/{ip}": {method: _report(method) for method in ("get", "head", "post", "put")},
        "/infractions": {"post": _reports()},
        "/": {"get": _line("alive", "Tell that the process lives, as the old service did.")},
        "/healthz": {"get": _line("healthz", "Tell that the process lives.")},
        "/readyz": {"get": _ready()},
        "/metrics": {"get": _line("metrics", "Counters in Prometheus's text format.", guarded=True)},
        "/openapi.json": {"get": _description()},
    }
    if with_state:
        paths["/state/infractions"] = {
            "get": _state("infractions", "What this process stored, by address and jail.")
        }
        paths["/state/requests"] = {"get": _state("requests", "What this process answered lately.")}
    schemas = {"Infraction": _infraction(), "Result": _RESULT, "Results": _RESULTS}
    components: dict[str, Any] = {"schemas": schemas}
    for path in paths.values():
        for operation in path.values():
            operation["responses"]["403"] = _text("A browser sent it for a page of another site.")
    if with_tokens:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path in paths.values():
            for operation in path.values():
                if "401" in operation["responses"]:
                    operation["security"] = [{"token": []}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "f2b-shim",
            "version": version("f2b-worker"),
            "description": "Reports infractions of network addresses to f2b. 200 means that they are stored.",
        },
        "paths": paths,
        "components": components,
    }


def _infraction() -> dict[str, Any]:
    """Describe the simple form more exactly than the wire's schema, which cannot know the time."""
    schema = Simple.model_json_schema()
    schema["properties"] |= {"ip": _ADDRESS, "at": _MOMENT, "note": _NOTE, "reporter": _REPORTER}
    return schema


def _report(method: str) -> dict[str, Any]:
    """Describe one of the methods that report; all do the same."""
    ip = {"name": "ip", "in": "path", "required": True, "schema": _ADDRESS}
    return {
        "operationId": "report" if method == "get" else f"report_by_{method}",
        "summary": "Report one infraction of an address, now; a body is not read.",
        "parameters": [ip, _JAIL],
        "responses": {
            "200": _text("The infraction is stored."),
            "400": _text("This is no address, or no jail's name; says why."),
            **_guards(),
            "503": _text("It could not be stored; report it again.", _LATER_HEADER),
        },
    }


def _reports() -> dict[str, Any]:
    one = {"$ref": "#/components/schemas/Infraction"}
    several = {"oneOf": [one, {"type": "array", "minItems": 1, "items": one}]}
    lines = {
        "schema": {"type": "array", "minItems": 1, "items": one, "description": "One a line, without a list."}
    }
    return {
        "operationId": "reports",
        "summary": "Report infractions: one, a list, or one a line.",
        "parameters": [_JAIL],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": several}, "application/x-ndjson": lines},
        },
        "responses": {
            "200": _json("All are stored.", {"type": "object", "required": ["stored"], "properties": {
                "stored": {"type": "integer", "minimum": 1}}}),
            "207": _results("Some are stored; says which are not, and why."),
            "400": _results("None can be read; says why."),
            "413": _text("The body is too large, as it came or unpacked."),
            "415": _text("The body is packed, and neither as gzip nor as deflate.", _ACCEPTED_HEADER),
            **_guards(),
            "503": _results("None could be stored; report them again.", _LATER_HEADER),
        },
    }  # fmt: skip


def _ready() -> dict[str, Any]:
    operation = _line("readyz", "Tell whether infractions can be stored now.")
    operation["responses"]["503"] = _text("They cannot; says why.", _LATER_HEADER)
    return operation


def _description() -> dict[str, Any]:
    answer = _json("An OpenAPI document.", {"type": "object"})
    return {"operationId": "openapi", "summary": "This document.", "responses": {"200": answer}}


def _state(name: str, summary: str) -> dict[str, Any]:
    rows = {"type": "array", "items": {"type": "object"}}
    properties = {name: rows, "bound": {"type": "string"}}
    answer = _json("A table, or JSON for whoever accepts it.", {"type": "object", "properties": properties})
    answer["content"]["text/html"] = {"schema": {"type": "string"}}
    return {"operationId": f"state_{name}", "summary": summary, "responses": {"200": answer, **_guards()}}


def _line(name: str, summary: str, *, guarded: bool = False) -> dict[str, Any]:
    responses = {"200": _text("So it is."), **(_guards() if guarded else {})}
    return {"operationId": name, "summary": summary, "responses": responses}


def _guards() -> dict[str, Any]:
    return {
        "401": _text("A bearer token is needed.", _TOKEN_HEADER),
        "429": _text("This peer asks too often.", _LATER_HEADER),
    }


def _text(description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": description, "content": _LINE, **({"headers": headers} if headers else {})}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _results(description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = _json(description, {"$ref": "#/components/schemas/Results"})
    return {**answer, **({"headers": headers} if headers else {})}
