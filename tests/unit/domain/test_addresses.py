import ipaddress

import pytest

from f2b_worker.domain.addresses import (
    Address,
    canonical,
    display,
    family_of,
    judged_network_of,
    key_of,
    network_of,
    parse_address,
    plain_address,
)
from tests.spellings import SPELLINGS

SEVEN = Address(4, int(ipaddress.IPv4Address("203.0.113.7")))


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7",
        "::ffff:203.0.113.7",
        "::FFFF:203.0.113.7",
        "::ffff:cb00:7107",
        "::FFFF:CB00:7107",
        "0:0:0:0:0:ffff:cb00:7107",
        "0000:0000:0000:0000:0000:FFFF:203.0.113.7",
    ],
)
def test_an_ipv4_address_is_itself_in_every_spelling(text: str) -> None:
    assert parse_address(text) == SEVEN


@pytest.mark.parametrize(
    "text",
    [
        "2001:db8::1",
        "2001:DB8::1",
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        "2001:db8:0:0::1",
        "2001:db8::0.0.0.1",
    ],
)
def test_an_ipv6_address_is_itself_in_every_spelling(text: str) -> None:
    assert parse_address(text) == Address(6, 0x2001_0DB8_0000_0000_0000_0000_0000_0001)


@pytest.mark.parametrize("text", ["::203.0.113.7", "::cb00:7107", "::ffff:0:203.0.113.7", "::FFFF:0:CB00:7107"])
def test_a_compatible_or_translated_address_is_the_ipv4_address_in_it(text: str) -> None:
    assert parse_address(text) == SEVEN


@pytest.mark.parametrize(
    "text",
    [
        *("::", "::1", "::fffe:203.0.113.7", "::1:ffff:203.0.113.7", "::ffff:1:203.0.113.7", "::1:0:203.0.113.7"),
        *("64:ff9b::cb00:7107", "64:ff9b:1::203.0.113.7", "2002:cb00:7107::1"),
    ],
)
def test_what_only_looks_like_a_mapped_address_stays_ipv6(text: str) -> None:
    assert parse_address(text) == Address(6, int(ipaddress.IPv6Address(text)))


def test_an_address_is_read_without_what_stands_around_it_as_the_table_says() -> None:
    plain = {text: plain_address(text) for text in SPELLINGS}
    assert {text: parse_address(plain[text]) for text in SPELLINGS} == {
        text: parse_address(address) for text, address in SPELLINGS.items()
    }
    assert all(ipaddress.ip_address(text) for text in plain.values())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10.0.0.0/8", "is a range"),
        ("203.0.113.7/", "'203.0.113.7/' ends with a slash: remove it"),
        ("2001:db8::/32", "is a range"),
        ("203.0.113.7/32", "is a range"),
        ("fe80::1%eth0", "carries a zone"),
        ("::1%1", "carries a zone"),
        ("203.0.113.7:https", "is no IPv4 or IPv6 address"),
        ("[2001:db8::1]443", "is no IPv4 or IPv6 address"),
        ("[2001:db8::1", "is no IPv4 or IPv6 address"),
        ("203.0.113.007", "is no IPv4 or IPv6 address"),
        ("010.0.113.7", "is no IPv4 or IPv6 address"),
        ("::ffff:203.0.113.07", "is no IPv4 or IPv6 address"),
        ("203.0.113", "is no IPv4 or IPv6 address"),
        ("203.0.113.256", "is no IPv4 or IPv6 address"),
        ("3405803783", "is no IPv4 or IPv6 address"),
        ("0xcb.0.113.7", "is no IPv4 or IPv6 address"),
        ("203.0.113.7-203.0.113.9", "is no IPv4 or IPv6 address"),
        ("203.0.113.7, 203.0.113.8", "is no IPv4 or IPv6 address"),
        ("2001:db8::1::2", "is no IPv4 or IPv6 address"),
        ("2001:db8:::1", "is no IPv4 or IPv6 address"),
        ("2001:db8::12345", "is no IPv4 or IPv6 address"),
        ("1:2:3:4:5:6:7:8:9", "is no IPv4 or IPv6 address"),
        ("example.org", "is no IPv4 or IPv6 address"),
        ("localhost", "is no IPv4 or IPv6 address"),
        ("unknown", "is no IPv4 or IPv6 address"),
        ("", "is no IPv4 or IPv6 address"),
        ("203.0.113.7\0", "is no IPv4 or IPv6 address"),
        ("2001:db8::1\0.org", "is no IPv4 or IPv6 address"),
        ("２０３.0.113.7", "is no IPv4 or IPv6 address"),  # noqa: RUF001 - digits of another script
        ("٢٠٣.0.113.7", "is no IPv4 or IPv6 address"),
        ("\ud800", "is no IPv4 or IPv6 address"),
        ("203.0.113.7 .", "is no IPv4 or IPv6 address"),
        ("203.0.113. 7", "is no IPv4 or IPv6 address"),
    ],
)
def test_whatever_is_not_one_address_is_refused_by_its_kind(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match=kind) as refused:
        parse_address(text)
    assert str(refused.value).startswith(ascii(text))


def test_a_refusal_shows_no_more_than_sixty_characters_on_one_plain_line() -> None:
    with pytest.raises(ValueError, match="is no IPv4") as refused:
        parse_address("\n\x1b[31mé" + "x" * 10_000)
    assert len(str(refused.value)) < 120
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("text", "prefix", "key"),
    [
        ("203.0.113.7", 32, "203.0.113.7/32"),
        ("203.0.113.7", 24, "203.0.113.0/24"),
        ("203.0.113.7", 31, "203.0.113.6/31"),
        ("203.0.113.7", 1, "128.0.0.0/1"),
        ("::ffff:203.0.113.7", 24, "203.0.113.0/24"),
        ("2001:db8::ffff", 128, "2001:db8::ffff/128"),
        ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64"),
        ("2001:db8:1:2ff:3:4:5:6", 56, "2001:db8:1:200::/56"),
        ("2001:db8:1:2:3:4:5:6", 1, "::/1"),
    ],
)
def test_a_key_is_the_canonical_network_at_the_prefix(text: str, prefix: int, key: str) -> None:
    assert key_of(parse_address(text), ipv4_prefix=min(prefix, 32), ipv6_prefix=prefix) == key


@pytest.mark.parametrize(
    ("text", "key"), [("203.0.113.7", "203.0.113.7/32"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")]
)
def test_by_default_one_ipv4_address_or_one_ipv6_home_is_judged(text: str, key: str) -> None:
    assert key_of(parse_address(text)) == key


@pytest.mark.parametrize(
    ("entry", "form"),
    [
        ("2001:0db8:0000:0000:0000:0000:0000:0000/32", "2001:db8::/32"),
        ("2001:DB8:0:0:0:0:0:1/128", "2001:db8::1/128"),
        ("2001:db8::1/64", "2001:db8::/64"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("203.0.113.7/255.255.255.0", "203.0.113.0/24"),
    ],
)
def test_an_entry_has_one_canonical_form(entry: str, form: str) -> None:
    assert canonical(entry) == form
    assert canonical(form) == form


def test_an_entry_that_is_no_network_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="example"):
        canonical("example.org")


@pytest.mark.parametrize(
    ("key", "family"), [("203.0.113.7/32", 4), ("2001:db8::/64", 6), ("::/0", 6), ("0.0.0.0/0", 4)]
)
def test_a_key_tells_its_family(key: str, family: int) -> None:
    assert family_of(key) == family


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("2001:db8::/64", "2001:db8::/64"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_only_an_ipv4_host_is_shown_without_its_prefix(key: str, shown: str) -> None:
    assert display(key) == shown


@pytest.mark.parametrize(
    ("text", "usual", "key"),
    [
        ("64:ff9b::203.0.113.20", 64, "64:ff9b::cb00:7114/128"),
        ("64:ff9b::203.0.113.20", 32, "64:ff9b::cb00:7114/128"),
        ("64:ff9b:1:fffe::203.0.113.20", 64, "64:ff9b:1:fffe::cb00:7114/128"),
        ("64:ff9b:2::203.0.113.20", 64, "64:ff9b:2::/64"),
        ("64:ff9b:0:1::203.0.113.20", 64, "64:ff9b:0:1::/64"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", 64, "2001:0:4136:e378:8000:63bf:3fff:fdd2/128"),
        ("2001:1::1", 64, "2001:1::/64"),
        ("2002:cb00:7114:7::1", 64, "2002:cb00:7114::/48"),
        ("2002:cb00:7114:7::1", 56, "2002:cb00:7114::/48"),
        ("2002:cb00:7114:7::1", 16, "2002:cb00:7114::/48"),
        ("2002:cb00:7114:7::1", 65, "2002:cb00:7114:7::/65"),
        ("2002:cb00:7114:7::1", 128, "2002:cb00:7114:7::1/128"),
        ("2003:cb00:7114:7::1", 48, "2003:cb00:7114::/48"),
    ],
)
def test_where_a_64_is_not_one_customer_the_key_is_what_one_customer_has(text: str, usual: int, key: str) -> None:
    assert key_of(parse_address(text), ipv6_prefix=usual) == key
    assert judged_network_of(f"{text}/128", ipv4_prefix=32, ipv6_prefix=usual) in {key, None}
    assert canonical(key) == key


@pytest.mark.parametrize(
    "entry",
    [
        "203.0.113.7/32",
        "203.0.113.77/29",
        "203.0.113.7",
        "0.0.0.0/0",
        "2001:db8::/64",
        "2001:0DB8:0000:0000:0000:0000:0000:0000/64",
        "2001:db8::1",
        "::ffff:1.2.3.4/128",
        "::1.2.3.4/128",
        "::/0",
        "203.0.113.0/255.255.255.0",
        "203.0.113.0/024",
        "2001:db8::1/64",
        "2001:db8::/32",
        "::ffff:1.2.3.4/64",
    ],
)
def test_an_entry_has_one_form_however_it_is_written_and_read(entry: str) -> None:
    assert canonical(entry) == str(ipaddress.ip_network(entry, strict=False))


@pytest.mark.parametrize(
    "entry", ["", "/32", "203.0.113.7/33", "203.0.113.7/-1", "2001:db8::/129", "name", "1/8/8"]
)
def test_what_is_no_network_has_no_form(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical(entry)


def test_a_key_has_a_network_of_its_own() -> None:
    assert network_of("203.0.113.7/32", ipv4_prefix=24, ipv6_prefix=48) == "203.0.113.0/24"
    assert network_of("2001:db8:0:1::/64", ipv4_prefix=24, ipv6_prefix=48) == "2001:db8::/48"
    assert network_of("203.0.113.0/24", ipv4_prefix=24, ipv6_prefix=48) is None
