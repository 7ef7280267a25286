"""Each client has a session of its own; what no session changes is made once for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session

from f2b_worker.adapters import aws

if TYPE_CHECKING:
    import pytest

EVENTS = (
    "before-parameter-build.sqs.SendMessage",
    "before-call.dynamodb.Query",
    "choose-signer.sts.GetCallerIdentity",
)


def listeners(session: Any, event: str) -> list[Any]:
    """Who is called, in order, when an event happens to a session's client."""
    return [*session.get_component("event_emitter")._emitter._handlers.prefix_search(event)]


def listen(**_: object) -> None:
    """Do nothing."""


def test_botocores_own_handlers_are_registered_once_and_each_session_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aws._session()
    botocores = botocore.session.get_session()
    monkeypatch.delattr(botocore.session.Session, "_register_builtin_handlers")

    made = aws._session()._session

    assert [listeners(made, event) for event in EVENTS] == [listeners(botocores, event) for event in EVENTS]
    assert all(listeners(made, event) for event in EVENTS)


def test_who_listens_to_one_session_hears_nothing_of_another() -> None:
    one, other = aws._session(), aws._session()

    one.events.register(EVENTS[0], listen)

    assert listen in listeners(one._session, EVENTS[0])
    assert listen not in listeners(other._session, EVENTS[0])
