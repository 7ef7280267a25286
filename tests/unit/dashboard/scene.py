"""The dashboard's application over pages that are made here, and requests to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from f2b_worker.dashboard import metrics
from f2b_worker.dashboard.app import DashboardApp, DashboardLimits
from f2b_worker.dashboard.asked import Asked, Page, Said, Visitor
from f2b_worker.dashboard.connections import Streamed
from f2b_worker.dashboard.showing import Content
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.http.replies import Reply

TOKEN = "correct-horse-battery"
TOKENS = (("ann", TOKEN), ("bob", "another-token-of-16"))
OURS = {"sec-fetch-site": "same-origin"}
HOST = "localhost:8080"


class Written:
    """Writes pages as `template|context|visitor`, so that a test sees all of it."""

    def whole(self, page: Page, asked: Asked) -> bytes:
        said = f"|said {asked.said.text}" if asked.said else ""
        return f"<frame>{self.main(page, asked).decode()}{said}</frame>".encode()

    def main(self, page: Page, asked: Asked) -> bytes:
        shown = ", ".join(f"{name}={value}" for name, value in page.context.items())
        return f"{page.template}|{shown}|{asked.visitor.name or 'nobody'}".encode()


@dataclass
class Bans:
    """The bans as somebody follows them."""

    generation: int = 0
    touched: int = 0

    def touch(self) -> None:
        self.touched += 1


@dataclass
class Dashboard:
    """An application, and what was done by it."""

    tokens: tuple[tuple[str, str], ...] = TOKENS
    on_loopback: bool = True
    pages: Mapping[str, Callable[[Asked], Page]] = field(
        default_factory=lambda: {
            "": lambda _: Page(200, "overview.html"),
            "bans": lambda asked: Page(200, "bans.html", asked.query),
        }
    )
    documents: Mapping[str, Callable[[Asked], object]] = field(
        default_factory=lambda: {"/status.json": lambda _: {"ok": True}}
    )
    becomes: Said | Exception = Said(is_done=True, text="done", has_changed=True)  # noqa: RUF009 - a tuple

    def __post_init__(self) -> None:
        self.done: list[tuple[str, dict[str, list[str]]]] = []
        self.clock = FakeClock()
        self.view = Bans()
        acts = {"ban": self._act, "unban": self._act}
        content = Content(self.pages, self.documents, acts, Written(), self.view)
        limits = DashboardLimits(on_loopback=self.on_loopback, tokens=self.tokens)
        self.app = DashboardApp(content, self.clock, limits)

    def _act(self, visitor: Visitor, form: Mapping[str, Sequence[str]]) -> Said:
        self.done.append((visitor.name, {name: list(values) for name, values in form.items()}))
        if isinstance(self.becomes, Exception):
            raise self.becomes
        return self.becomes

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        path, _, query = target.partition("?")
        every = {"host": HOST, "accept": "text/html", **(headers or {})}
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in every.items() if value],
            "client": ("127.0.0.1", 50_000),
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        answer = asyncio.run(self.app.answer(scope, receive))
        assert answer is not None
        return Answer(answer)

    def get(self, target: str, **headers: str) -> Answer:
        return self.ask("GET", target, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, target: str, headers: Mapping[str, str] = OURS, /, **form: str) -> Answer:
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        return self.ask("POST", target, sent, urlencode(form).encode())

    def logged_in(self, token: str = TOKEN) -> dict[str, str]:
        """Log in, and answer the headers of our own forms from then on."""
        return {**OURS, "cookie": self.post("/login", token=token).cookie}


class Answer:
    """What came back."""

    def __init__(self, answer: Reply | Streamed) -> None:
        assert not isinstance(answer, Streamed)
        self.status = answer.status
        self.text: str = answer.body["body"].decode()
        self.headers: list[tuple[str, str]] = [
            (name.decode(), value.decode()) for name, value in answer.start["headers"]
        ]

    def header(self, name: str) -> str:
        return "; ".join(value for each, value in self.headers if each == name)

    @property
    def cookie(self) -> str:
        return self.header("set-cookie").partition(";")[0]


def refusals(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("f2b_dashboard_refused_total", {"reason": reason}) or 0.0


def acts_done(action: str) -> float:
    return metrics.REGISTRY.get_sample_value("f2b_dashboard_acts_total", {"action": action}) or 0.0
