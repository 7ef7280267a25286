"""Whom networks cover, and who is never banned."""

import re
from pathlib import Path

import pytest

from f2b_worker.domain.addresses import Address, parse_address
from f2b_worker.domain.networks import NEVER_BANNED, Networks

SEVEN = Address(4, 0xCB007107)  # 203.0.113.7


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "0.0.0.1", "127.0.0.1", "127.255.255.255"),
        *("10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"),
        *("100.64.0.0", "100.127.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255"),
        *("224.0.0.0", "239.255.255.255", "255.255.255.255"),
        *(
            "::",
            "::1",
            "fc00::",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "fe80::",
            "febf::1",
            "fec0::",
            "feff::1",
            "100::",
            "100::ffff:ffff:ffff:ffff",
            "2001:2::1",
            "ff00::",
            "ffff::",
        ),
        *("::ffff:10.0.0.1", "::ffff:127.0.0.1", "::FFFF:7F00:1", "::ffff:a00:1", "::ffff:0.0.0.0"),
        *("192.0.0.0", "192.0.0.255", "192.88.99.0", "192.88.99.255", "198.18.0.0", "198.19.255.255"),
        *("::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1", "2002:c0a8:101:7::1"),
        *("::ffff:169.254.169.254", "::ffff:100.64.0.1", "::ffff:224.0.0.1"),
    ],
)
def test_an_address_of_our_own_is_never_banned(text: str) -> None:
    assert NEVER_BANNED.covers(parse_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
        *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"),
        *("223.255.255.255", "8.8.8.8", "::ffff:8.8.8.8"),
        *("192.0.2.1", "198.51.100.1", "203.0.113.7", "2001:db8::1", "3fff::1"),
        *("191.255.255.255", "192.0.1.0", "192.88.98.255", "192.88.100.0", "198.17.255.255", "198.20.0.0"),
        *("fbff::1", "fe00::1", "fe7f::1", "2606:4700::1111", "64:ff9b::808:808", "100:0:0:1::", "2001:3::1"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2002:808:808::1", "64:ff9b:1::808:808", "::8.8.8.8"),
    ],
)
def test_an_address_of_the_internet_or_of_the_documentation_can_be_banned(text: str) -> None:
    assert not NEVER_BANNED.covers(parse_address(text))


def test_the_documentation_lists_exactly_who_is_never_banned() -> None:
    page = (Path(__file__).parents[3] / "docs" / "verdicts.md").read_text("utf-8")
    table = page.partition("## Who is never banned")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(re.findall("`([^`]+)`", "".join(rows))) == sorted(NEVER_BANNED.entries)


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("198.51.99.255", False),
        ("198.51.100.0", True),
        ("198.51.101.255", True),
        ("198.51.102.0", False),
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("2001:db8:0:1::", True),
        ("2001:db8:0:2::", False),
        ("::198.51.100.0", True),
        ("64:ff9b::198.51.100.0", True),
        ("64:ff9b::198.51.99.255", False),
        ("64:ff9b:0:0:1::198.51.100.0", False),
        ("2002:c633:6400::", True),
        ("2002:c633:65ff:ffff::1", True),
        ("2002:c633:6600::", False),
    ],
)
def test_networks_cover_the_addresses_between_their_ends(text: str, covered: bool) -> None:
    networks = Networks(["203.0.113.7", "198.51.101.0/24", "2001:db8:0:1::5/64", "198.51.100.9/24"])
    assert networks.covers(parse_address(text)) is covered


@pytest.mark.parametrize(
    ("key", "touched"),
    [
        ("203.0.113.0/24", True),
        ("203.0.113.7/32", True),
        ("203.0.112.0/24", False),
        ("0.0.0.0/0", True),
        ("203.0.113.8/29", False),
        ("2001:db8::/64", True),
        ("2001:db8:0:1::/64", False),
        ("::/0", True),
    ],
)
def test_networks_touch_whatever_shares_an_address_with_them(key: str, touched: bool) -> None:
    assert Networks(["203.0.113.7", "2001:db8::5/128"]).touches(key) is touched


def test_a_small_network_inside_a_large_one_hides_nothing_of_it() -> None:
    networks = Networks(["198.51.100.0/24", "198.51.100.1/32"])
    assert networks.covers(parse_address("198.51.100.200"))


@pytest.mark.parametrize("entry", ["::/96", "::/127", "::/0", "::ffff:0:0/95", "64:ff9b::/96", "2002::/16"])
def test_an_ipv6_network_that_is_wider_than_the_ipv4_addresses_in_it_covers_none_of_them(entry: str) -> None:
    assert not Networks([entry]).covers(SEVEN)


@pytest.mark.parametrize("entry", ["64:ff9b::/96", "64:ff9b::203.0.113.7", "64:ff9b::/64"])
def test_a_network_behind_a_translator_covers_its_addresses_as_they_are_seen(entry: str) -> None:
    assert Networks([entry]).covers(parse_address("64:ff9b::203.0.113.7"))


def test_no_networks_cover_nothing() -> None:
    assert not Networks().covers(SEVEN)
    assert not Networks().touches("0.0.0.0/0")


@pytest.mark.parametrize("entry", ["example.org", "", "203.0.113.7/33", "2001:db8::/129", "203.0.113.7-9"])
def test_networks_of_anything_else_are_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Networks(["203.0.113.7", entry])


@pytest.mark.parametrize(
    "entry", ["::ffff:203.0.113.7", "::ffff:203.0.113.0/120", "::FFFF:CB00:7107/128", "::203.0.113.0/120"]
)
def test_networks_in_mapped_form_cover_the_ipv4_addresses_that_they_carry(entry: str) -> None:
    assert Networks([entry]).covers(parse_address("203.0.113.7"))
    assert Networks([entry]).touches("203.0.113.7/32")


SLASH_25S = ("203.0.113.0/25", "203.0.113.128/25")


@pytest.mark.parametrize(
    ("key", "allowed", "rest"),
    [
        ("203.0.113.0/24", [], ["203.0.113.0/24"]),
        ("203.0.113.0/24", ["198.51.100.7"], ["203.0.113.0/24"]),
        ("203.0.113.0/24", ["203.0.113.0/25"], ["203.0.113.128/25"]),
        ("203.0.113.0/24", ["203.0.113.128/25"], ["203.0.113.0/25"]),
        ("203.0.113.0/24", SLASH_25S, []),
        ("203.0.113.0/24", ["203.0.0.0/16"], []),
        ("203.0.113.0/24", ["203.0.113.0/24"], []),
        ("203.0.113.0/30", ["203.0.113.1"], ["203.0.113.0/32", "203.0.113.2/31"]),
        ("203.0.113.0/29", ["203.0.113.0", "203.0.113.7"],
            ["203.0.113.1/32", "203.0.113.2/31", "203.0.113.4/31", "203.0.113.6/32"]),
        ("203.0.113.7/32", ["203.0.113.7"], []),
        ("0.0.0.0/1", ["0.0.0.0/2"], ["64.0.0.0/2"]),
        ("128.0.0.0/1", ["192.0.0.0/2"], ["128.0.0.0/2"]),
        ("2001:db8::/46", ["2001:db8::/47"], ["2001:db8:2::/47"]),
        # What one customer has is spared as one, in the ranges where that is no /64, too.
        ("2001:db8::/64", ["2001:db8::77"], []),
        ("2002:cb00:7100::/48", ["2002:cb00:7100::1"], []),
        ("2002:cb00:7100::/47", ["203.0.113.0"], ["2002:cb00:7101::/48"]),
        ("64:ff9b::cb00:7100/127", ["203.0.113.0"], ["64:ff9b::cb00:7101/128"]),
    ],
)  # fmt: skip
def test_what_is_left_of_a_network_is_named_in_the_fewest_networks(
    key: str, allowed: list[str], rest: list[str]
) -> None:
    assert Networks(allowed).rest_of(key) == tuple(rest)


def test_a_network_around_an_address_is_left_in_one_network_of_each_length() -> None:
    found = Networks(["203.0.113.77"]).rest_of("203.0.0.0/16")
    assert sorted(int(each.partition("/")[2]) for each in found) == list(range(17, 33))
    assert len(Networks(["2001:db8::1"]).rest_of("2001:db8::/48")) == 80


def test_what_is_written_as_ipv6_and_stands_for_ipv4_is_not_parted() -> None:
    assert Networks(["203.0.113.7"]).rest_of("::ffff:203.0.113.0/120") == ()
