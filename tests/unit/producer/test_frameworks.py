"""The examples in producer/examples, each served by its real framework."""

import asyncio
import importlib.util
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from f2b_producer import Producer
from f2b_producer.testing import RecordingClient

EXAMPLES = Path(__file__).parents[3] / "producer" / "examples"
BALANCER = "10.0.0.1"

Request = Callable[..., httpx.Response]


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"f2b_example_{name}", EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    at_sigterm = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("F2B_QUEUE", "memory:")
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    signal.signal(signal.SIGTERM, at_sigterm)
    return module


def over_wsgi(app: Any) -> Request:
    transport = httpx.WSGITransport(app=app, remote_addr=BALANCER, raise_app_exceptions=False)

    def request(method: str, path: str, **more: Any) -> httpx.Response:
        with httpx.Client(transport=transport, base_url="http://shop") as client:
            return client.request(method, path, **more)

    return request


def over_asgi(app: Any) -> Request:
    transport = httpx.ASGITransport(app=app, client=(BALANCER, 4711), raise_app_exceptions=False)

    async def ask(method: str, path: str, **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await client.request(method, path, **more)

    return lambda *args, **more: asyncio.run(ask(*args, **more))


@pytest.fixture(scope="module")
def django_example() -> Iterator[ModuleType]:
    module = example("django_app")
    sys.modules[module.__name__] = module  # Django imports its URLs by this name
    yield module
    del sys.modules[module.__name__]


@pytest.fixture(params=["fastapi", "flask", "django under WSGI", "django under ASGI"])
def request_(request: pytest.FixtureRequest, f2b: Producer) -> Iterator[Request]:
    if request.param == "fastapi":
        yield over_asgi(example("fastapi_app").create_app(f2b))
    elif request.param == "flask":
        yield over_wsgi(example("flask_app").create_app(f2b))
    else:
        request.getfixturevalue("django_example")
        from django.conf import settings  # noqa: PLC0415 - it may only be touched when it is configured
        from django.core.asgi import get_asgi_application  # noqa: PLC0415
        from django.core.wsgi import get_wsgi_application  # noqa: PLC0415
        from django.test import override_settings  # noqa: PLC0415

        with override_settings(F2B={**settings.F2B, "producer": f2b}):
            asgi = request.param == "django under ASGI"
            yield over_asgi(get_asgi_application()) if asgi else over_wsgi(get_wsgi_application())


def test_what_an_attacker_does_is_reported_under_its_own_address(
    request_: Request, f2b: Producer, queue: RecordingClient
) -> None:
    forged = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7:4711"}
    statuses = [
        request_("POST", "/login?password=12345", headers=forged).status_code,
        request_("GET", "/no-such-page", headers=forged).status_code,
        request_("GET", "/wp-login.php", headers={"X-Forwarded-For": "6.6.6.6,[2001:db8::1]:443"}).status_code,
        request_("POST", "/login?password=correct horse", headers=forged).status_code,
    ]
    assert statuses == [401, 404, 200, 200]
    assert f2b.flush()
    assert [(seen.ip, seen.jail, seen.note, seen.weight) for seen in queue.infractions()] == [
        ("203.0.113.7", "login", None, 1),
        ("203.0.113.7", "scan", None, 1),
        ("2001:db8::1", "scan", "wp-login.php", 5),
    ]


def test_who_comes_by_another_way_is_counted_and_not_reported(
    request_: Request, f2b: Producer, queue: RecordingClient
) -> None:
    assert request_("GET", "/no-such-page").status_code == 404
    assert f2b.flush()
    assert queue.infractions() == []
    assert f2b.stats().refused == {"no-client": 1}


def test_the_applications_say_whether_reports_arrive(request_: Request, queue: RecordingClient) -> None:
    assert request_("GET", "/health").json() == {"f2b": True}


def test_two_header_lines_are_read_as_one_list(request_: Request, f2b: Producer, queue: RecordingClient) -> None:
    request_("GET", "/no-such-page", headers=[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")])
    assert f2b.flush()
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7"]


def test_an_exception_in_a_view_is_reported_as_500(f2b: Producer, queue: RecordingClient) -> None:
    from fastapi import FastAPI  # noqa: PLC0415
    from flask import Flask  # noqa: PLC0415

    from f2b_producer import asgi, wsgi  # noqa: PLC0415

    def fail() -> str:
        raise LookupError

    flask, fastapi = Flask("shop"), FastAPI()
    flask.add_url_rule("/", view_func=fail)
    fastapi.add_api_route("/", fail)
    rules: dict[str, Any] = {"statuses": {500: "crash"}, "trusted_hops": 0}
    fastapi.add_middleware(asgi.F2BMiddleware, producer=f2b, **rules)
    assert over_wsgi(wsgi.F2BMiddleware(flask, f2b, **rules))("GET", "/").status_code == 500
    assert over_asgi(fastapi)("GET", "/").status_code == 500
    assert f2b.flush()
    assert [(seen.ip, seen.jail) for seen in queue.infractions()] == [(BALANCER, "crash")] * 2


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (None, "F2B must be a dict"),
        ({"trusted_hops": 1}, "F2B must be a dict"),
        ({"producer": "here"}, "F2B: say which proxies to trust"),
        ({"producer": "here", "trusted_hops": 1}, "F2B: producer must be a Producer, not str"),
        ({"producer": "here", "trusted_hop": 1}, "F2B has no trusted_hop; it has producer"),
    ],
)
def test_django_is_told_at_its_start_what_is_missing(
    django_example: ModuleType, given: dict[str, Any] | None, complaint: str
) -> None:
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    with override_settings(F2B=given), pytest.raises(ImproperlyConfigured, match=complaint):
        get_wsgi_application()
