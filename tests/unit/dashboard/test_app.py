"""Which question goes where, and what every answer says to the browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from f2b_worker.dashboard.asked import WrongQuery
from f2b_worker.dashboard.security import POLICY
from f2b_worker.dashboard.static_files import static_files, static_url
from f2b_worker.errors import StartError, Unavailable
from f2b_worker.query.wording import DEFECT
from tests.unit.dashboard.scene import Dashboard, Written, refusals

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Asked, Page


@pytest.mark.parametrize(
    "target",
    ["/", "/bans", "/login", "/status.json", "/healthz", "/metrics", "/nothing", "/static/nothing", "/acts/ban"],
)
def test_every_answer_tells_the_browser_to_load_and_run_nothing_of_others(target: str) -> None:
    answer = Dashboard().get(target)
    assert answer.header("content-security-policy") == POLICY.decode()
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("cross-origin-opener-policy") == "same-origin"
    assert answer.header("cross-origin-resource-policy") == "same-origin"


def test_nothing_inline_and_no_frame_is_allowed() -> None:
    assert b"unsafe" not in POLICY
    assert b"*" not in POLICY
    assert POLICY.startswith(b"default-src 'none'")
    assert b"frame-ancestors 'none'" in POLICY


def test_a_page_is_found_by_the_first_part_of_its_path_and_gets_the_query() -> None:
    assert Dashboard().get("/").text == "<frame>overview.html||nobody</frame>"
    assert Dashboard().get("/bans/x?q=a%20b&q=c").text == "<frame>bans.html|q=a b|nobody</frame>"


def test_a_page_that_is_not_there_says_so_to_people_and_to_programs() -> None:
    page = Dashboard().get("/nothing")
    assert (page.status, page.text) == (
        404,
        "<frame>refused.html|title=Not found, text=There is no such page.|nobody</frame>",
    )
    line = Dashboard().get("/nothing", accept="*/*")
    assert (line.status, line.text) == (404, "There is no such page.\n")


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (Unavailable("reading the table: no answer"), 503, "reading the table: no answer"),
        (StartError("f2b does not know countries here"), 503, "f2b does not know countries here"),
        (ZeroDivisionError("secret"), 500, DEFECT),
    ],
)
def test_a_page_that_cannot_be_made_says_why_and_tells_no_traceback(
    error: Exception, status: int, told: str
) -> None:
    def fail(_: object) -> Page:
        raise error

    answer = Dashboard(pages={"": fail}, documents={}).get("/")
    assert answer.status == status
    assert told in answer.text
    assert "secret" not in answer.text


def test_a_page_whose_template_has_a_defect_says_so_and_has_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written.main

    def fail(self: Written, page: Page, asked: Asked) -> bytes:
        return written(self, page, asked) if page.template == "refused.html" else bytes(1 // 0)

    monkeypatch.setattr(Written, "main", fail)
    answer = Dashboard().get("/")
    assert answer.status == 500
    assert answer.text.startswith("<frame>refused.html")
    assert DEFECT in answer.text


def test_documents_are_json_and_no_other_site_reads_them() -> None:
    dashboard = Dashboard()
    assert json.loads(dashboard.get("/status.json").text) == {"ok": True}
    assert json.loads(dashboard.get("/status.json", sec_fetch_site="same-origin").text) == {"ok": True}
    before = refusals("cross_site")
    assert dashboard.get("/status.json", sec_fetch_site="cross-site").status == 403
    assert dashboard.get("/stream", origin="http://evil.example").status == 403
    assert refusals("cross_site") == before + 2


def test_a_document_that_cannot_be_made_says_why_in_one_line() -> None:
    def wrong(_: object) -> object:
        raise WrongQuery("since: write 1h, 24h or 7d")

    def away(_: object) -> object:
        raise Unavailable("reading the table: no answer")

    def missing(_: object) -> object:
        raise StartError("install the extra [geo]")

    dashboard = Dashboard(documents={"/a.json": wrong, "/b.json": away, "/c.json": missing})
    assert (dashboard.get("/a.json").status, dashboard.get("/a.json").text) == (
        400,
        "since: write 1h, 24h or 7d\n",
    )
    answer = dashboard.get("/b.json")
    assert (answer.status, answer.text) == (503, "reading the table: no answer\n")
    assert answer.header("retry-after") == "1"
    answer = dashboard.get("/c.json")
    assert (answer.status, answer.text) == (501, "install the extra [geo]\n")
    assert not answer.header("retry-after"), "it does not get better by itself"


@pytest.mark.parametrize("error", [ValueError("secret"), ZeroDivisionError("secret")])
def test_a_defect_in_a_document_is_no_fault_of_who_asks_and_is_logged(error: Exception) -> None:
    def fail(_: object) -> object:
        raise error

    before = refusals("bad_query")
    with capture_logs() as lines:
        answer = Dashboard(documents={"/status.json": fail}).get("/status.json")
    assert (answer.status, answer.text) == (500, f"{DEFECT}\n")
    assert [(each["event"], each["page"]) for each in lines] == [("page_failed", "/status.json")]
    assert refusals("bad_query") == before


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("PUT", "/", "GET, HEAD, POST"),
        ("DELETE", "/bans", "GET, HEAD, POST"),
        ("OPTIONS", "/acts/ban", "GET, HEAD, POST"),
        ("GET", "/acts/ban", "POST"),
        ("HEAD", "/acts/nothing", "POST"),
        ("GET", "/logout", "POST"),
    ],
)
def test_another_method_is_refused_with_those_that_there_are(method: str, target: str, allowed: str) -> None:
    answer = Dashboard().ask(method, target)
    assert (answer.status, answer.header("allow")) == (405, allowed)


def test_who_comes_by_a_name_of_others_is_refused_on_a_port_of_this_machine_alone() -> None:
    before = refusals("host")
    answer = Dashboard().get("/", host="evil.example")
    assert answer.status == 403
    assert "ask for localhost" in answer.text
    assert "overview" not in answer.text
    assert refusals("host") == before + 1
    assert Dashboard(on_loopback=False).get("/", host="f2b.example").status == 200


def test_a_stream_is_only_about_pages_that_there_are() -> None:
    assert Dashboard().get("/stream?page=/nothing").status == 404


def test_a_file_is_kept_for_a_year_under_its_hash_and_asked_for_again_without() -> None:
    name = next(iter(static_files()))
    file = static_files()[name]
    hashed = Dashboard().get(static_url(name))
    assert hashed.header("cache-control") == "public, max-age=31536000, immutable"
    assert hashed.text.encode() == file.body
    plain = Dashboard().get(f"/static/{name}")
    assert plain.header("cache-control") == "no-cache"
    again = Dashboard().get(f"/static/{name}", if_none_match=plain.header("etag"))
    assert (again.status, again.text) == (304, "")
    old = Dashboard().get(f"/static/{name}?v=000000000000")
    assert old.header("cache-control") == "no-cache"


@pytest.mark.parametrize("name", ["../app.py", "/etc/passwd", "..%2fapp.py", "VENDOR.toml", "", "."])
def test_nothing_but_these_files_is_served(name: str) -> None:
    assert Dashboard().get(f"/static/{name}").status == 404


def test_metrics_are_those_of_the_dashboard_alone() -> None:
    page = Dashboard().get("/metrics").text
    assert "f2b_dashboard_answers_total" in page
    assert "f2b_build_info" in page
    assert "f2b_shim" not in page
