"""Which requests of a browser are those of somebody who means them."""

from __future__ import annotations

import pytest

from f2b_worker.dashboard.security import host_refusal, is_own_post, local_path
from f2b_worker.domain.addresses import is_loopback


def _headers(**given: str) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin", "host": "f2b:80"},
        {"sec_fetch_site": "same-origin", "origin": "null", "host": "f2b:80"},
        {"origin": "http://10.0.0.5:8080", "host": "10.0.0.5:8080"},
        {"origin": "https://F2B.example", "host": "f2b.example"},
    ],
)
def test_a_form_of_our_own_page_is_taken_also_where_a_browser_says_only_its_origin(
    headers: dict[str, str],
) -> None:
    assert is_own_post(_headers(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site", "host": "f2b:80", "origin": "http://f2b:80"},
        {"sec_fetch_site": "same-site", "host": "f2b:80", "origin": "http://f2b:80"},
        {"sec_fetch_site": "none", "host": "f2b:80"},
        {"sec_fetch_site": "", "host": "f2b:80", "origin": "http://f2b:80"},
        {"origin": "http://evil.example", "host": "f2b:80"},
        {"origin": "http://f2b:81", "host": "f2b:80"},
        {"origin": "http://f2b:80.evil.example", "host": "f2b:80"},
        {"origin": "null", "host": "f2b:80"},
        {"origin": "http://", "host": ""},
        {"origin": "file://f2b:80", "host": "f2b:80"},
        {"origin": "", "host": ""},
        {"origin": "http://f2b:80"},
        {"host": "f2b:80"},
        {},
    ],
)
def test_a_form_of_another_page_or_of_none_is_refused(headers: dict[str, str]) -> None:
    assert not is_own_post(_headers(**headers))


def test_a_header_that_stands_twice_is_no_origin() -> None:
    host = [(b"host", b"f2b:80")]
    assert not is_own_post([*host, (b"origin", b"http://f2b:80"), (b"origin", b"http://evil.example")])
    assert not is_own_post([*host, (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")])
    assert not is_own_post([*host, *host, (b"origin", b"http://f2b:80")])


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST:9", "127.0.0.1:8080", "[::1]:8080", "f2b.localhost", "10.0.0.1"],
)
def test_a_port_of_this_machine_is_asked_by_its_own_names(host: str) -> None:
    assert host_refusal(_headers(host=host), on_loopback=True) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", "[::1", "", "a b", "é"],
)
def test_a_port_of_this_machine_is_not_asked_by_a_name_that_leads_here_by_dns(host: str) -> None:
    assert "localhost" in (host_refusal(_headers(host=host), on_loopback=True) or "")


def test_a_port_that_others_reach_may_have_any_name_but_one_only() -> None:
    assert host_refusal(_headers(host="f2b.example"), on_loopback=False) is None
    two = [(b"host", b"f2b.example"), (b"host", b"evil.example")]
    assert "several" in (host_refusal(two, on_loopback=False) or "")


@pytest.mark.parametrize("back", ["/", "/bans?q=203.0.113.0%2F24&page=2", "/address/2001:db8::/64"])
def test_one_goes_back_to_a_page_of_this_dashboard(back: str) -> None:
    assert local_path(back) == back


@pytest.mark.parametrize(
    "back",
    [
        "",
        "bans",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/a\r\nset-cookie: x=1",
        "/a b",
        "javascript:alert(1)",
        "/é",
    ],
)
def test_nobody_is_sent_to_another_site(back: str) -> None:
    assert local_path(back) == "/"


def test_which_addresses_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.0.0.53", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "f2b.example", "")))
