"""Whose request it is: what the client writes into X-Forwarded-For never changes the answer."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from f2b_producer._address import plain
from f2b_producer._client_address import HOPS_MAX, ClientAddress

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48")
ADDRESSES = st.ip_addresses().filter(lambda ip: not getattr(ip, "ipv4_mapped", None)).map(str)
CLIENTS = ADDRESSES.filter(lambda ip: ip != "::" and not ip.startswith(("10.", "2001:db8:ffff:", "::ffff:")))
TRUSTED = st.integers(0, 2**24 - 1).map(lambda n: f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
PORTS = st.integers(0, 65_535)
# Anything that fits a header line, and what somebody would write who knows how the list is read.
LEFT_SIDES = st.one_of(
    st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=60),
    st.lists(
        st.one_of(ADDRESSES, TRUSTED, st.sampled_from(["", " ", "[", "]:1", "unknown", "1.2.3.4:", ","]))
    ).map(", ".join),
)


def hops(trusted_hops: int) -> ClientAddress:
    return ClientAddress(trusted_hops, None)


def beyond(*proxies: str) -> ClientAddress:
    return ClientAddress(None, proxies or PROXIES)


@st.composite
def spellings(draw: st.DrawFn, address: str) -> str:
    """Write *address* as proxies do: with and without port, brackets and white space."""
    port = draw(PORTS)
    forms = [address, f"[{address}]", f"[{address}]:{port}"] if ":" in address else [address, f"{address}:{port}"]
    return draw(st.sampled_from(["", " ", "\t"])) + draw(st.sampled_from(forms)) + draw(st.sampled_from(["", " "]))


@given(data=st.data(), client=ADDRESSES, left=LEFT_SIDES, n=st.integers(1, HOPS_MAX))
@settings(deadline=None)
def test_what_the_client_wrote_never_changes_the_answer_by_hops(
    data: st.DataObject, client: str, left: str, n: int
) -> None:
    others = data.draw(st.lists(ADDRESSES, min_size=n - 1, max_size=n - 1))
    trusted_part = ", ".join([data.draw(spellings(client)), *others])
    assert hops(n).find("192.0.2.1", trusted_part) == client
    assert hops(n).find("192.0.2.1", f"{left}, {trusted_part}") == client
    assert hops(n).find("192.0.2.1", f"{left},{trusted_part}") == client


@given(data=st.data(), client=CLIENTS, left=LEFT_SIDES, peer=TRUSTED)
@settings(deadline=None)
def test_what_the_client_wrote_never_changes_the_answer_by_networks(
    data: st.DataObject, client: str, left: str, peer: str
) -> None:
    others = data.draw(st.lists(TRUSTED, max_size=5))
    trusted_part = ", ".join([data.draw(spellings(client)), *others])
    assert beyond().find(peer, trusted_part) == client
    assert beyond().find(peer, f"{left},{trusted_part}") == client


@given(client=CLIENTS, said=LEFT_SIDES)
@settings(deadline=None)
def test_who_connects_without_a_proxy_is_the_client_whatever_it_says(client: str, said: str) -> None:
    assert hops(0).find(client, said) == client
    assert beyond().find(client, said) == client


@given(said=LEFT_SIDES, n=st.integers(1, 5))
@settings(deadline=None)
def test_fewer_entries_than_hops_are_nobodys(said: str, n: int) -> None:
    assume(said.count(",") < n - 1)
    assert hops(n).find("192.0.2.1", said) is None


@given(text=LEFT_SIDES)
@settings(deadline=None)
def test_what_is_found_is_an_address_or_nothing(text: str) -> None:
    for finder in (hops(0), hops(1), hops(2), beyond()):
        for peer in (None, "", "10.0.0.1", text):
            found = finder.find(peer, text)
            assert found is None or ip_network(found)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4\t", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("1.2.3.4:", None),
        ("1.2.3.4:http", None),
        ("1.2.3.4:123456", None),
        ("1.2.3.4:65536", None),
        ("[1.2.3.4]:80", "1.2.3.4"),
        ("[2001:db8::1]443", None),
        ("[2001:db8::1]:", None),
        ("[2001:db8::1", None),
        ("[]", None),
        ("fe80::1%eth0", None),
        ("1.2.3", None),
        ("01.2.3.4", None),
        ("unknown", None),
        ("_hidden", None),
        ("example.com:80", None),
        ("1.2.3.4\0", None),
        ("\u0661.2.3.4", None),
        ("1.2.3.4:\u0661", None),
        ("", None),
    ],
)
def test_ports_and_brackets_are_taken_off_and_the_rest_is_an_address_or_nothing(
    text: str, address: str | None
) -> None:
    assert plain(text) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.7, 10.1.1.1:5000", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.7", "6.6.6.6, 10.1.1.1", "203.0.113.7"),
        ("10.0.0.1", "", None),  # a health check of the balancer
        ("10.0.0.1", "10.0.0.2", None),
        ("10.0.0.1", "6.6.6.6, unknown, 10.0.0.2", None),
        ("10.0.0.1", "6.6.6.6" + ", 10.0.0.2" * HOPS_MAX, None),
        (None, "203.0.113.7", None),  # a Unix socket tells no network
        ("", "203.0.113.7", None),
    ],
)
def test_trusted_proxies_are_passed_over_from_the_right(
    peer: str | None, forwarded: str, client: str | None
) -> None:
    assert beyond().find(peer, forwarded) == client


def test_networks_may_be_objects_and_single_addresses() -> None:
    finder = ClientAddress(None, [ip_network("10.0.0.0/8"), "2001:db8::5"])
    assert finder.find("2001:db8::5", "203.0.113.7, 10.9.9.9") == "203.0.113.7"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "say which proxies to trust: trusted_hops=0 .* 1 behind .* 2 behind .* or trusted_proxies="),
        ({"trusted_hops": 1, "trusted_proxies": ["10.0.0.0/8"]}, "not both"),
        ({"trusted_hops": -1}, "trusted_hops must be"),
        ({"trusted_hops": 33}, "trusted_hops must be"),
        ({"trusted_hops": True}, "trusted_hops must be"),
        ({"trusted_hops": "1"}, "trusted_hops must be"),
        ({"trusted_proxies": "10.0.0.0/8"}, "must be a list"),
        ({"trusted_proxies": []}, "trusted_hops=0 if there is no proxy"),
        ({"trusted_proxies": ["10.0.0.1/8"]}, "has host bits set"),
        ({"trusted_proxies": ["balancer"]}, "'balancer' does not appear to be"),
        ({"trusted_proxies": ["0.0.0.0/0"]}, "the whole Internet"),
    ],
)
def test_it_refuses_to_guess_and_says_what_to_set(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ClientAddress(given.get("trusted_hops"), given.get("trusted_proxies"))
