"""What is left of a network without what is allowed, by the standard library."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.addresses import canonical, is_one_customer
from f2b_worker.domain.networks import Networks

PROFILE = settings(deadline=None, max_examples=300)
# Few bits under a few heads: much of it touches, holds or lies inside the rest.
V4, V6, SITES = 0xCB007100, 0x20010DB8 << 96, 0x2002CB007100 << 80


@st.composite
def networks(draw: st.DrawFn, family: int) -> str:
    if family == 4:
        prefix = draw(st.integers(22, 32))
        return str(ipaddress.ip_network((V4 + draw(st.integers(0, 1023)), prefix), strict=False))
    head, bits = draw(st.sampled_from([(V6, 0), (V6, 60), (SITES, 78)]))
    prefix = draw(st.integers(40, 128))
    return str(ipaddress.ip_network((head + (draw(st.integers(0, 255)) << bits), prefix), strict=False))


def excluded(key: str, allowed: list[str]) -> list[Any]:
    left: list[Any] = [ipaddress.ip_network(key)]
    for hole in (ipaddress.ip_network(each) for each in allowed):
        parted: list[Any] = []
        for each in left:
            if each.version != hole.version or not each.overlaps(hole):
                parted.append(each)
            elif each != hole and hole.subnet_of(each):
                parted += each.address_exclude(hole)
        left = parted
    return sorted(ipaddress.collapse_addresses(left))


@given(st.sampled_from([4, 6]).flatmap(lambda f: st.tuples(networks(f), st.lists(networks(f), max_size=6))))
@PROFILE
def test_the_pieces_are_those_of_address_exclude_and_no_more(case: tuple[str, list[str]]) -> None:
    key, allowed = canonical(case[0]), case[1]
    found = Networks(allowed).rest_of(key)
    if is_one_customer(key):
        is_touched = any(ipaddress.ip_network(key).overlaps(ipaddress.ip_network(each)) for each in allowed)
        assert found == (() if is_touched else (key,))
    else:
        assert [ipaddress.ip_network(each) for each in found] == excluded(key, allowed)
        assert [canonical(each) for each in found] == list(found)
