"""In which country an address is registered: the same in memory and in the registries' data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.countries import RegisteredCountries
from f2b_worker.testing import MemoryCountries

if TYPE_CHECKING:
    from f2b_worker.ports import Countries

REGISTERED = {"193.0.0.0/21": "NL", "8.8.8.0/24": "US", "2001:4860::/32": "US", "2001:67c:2e8::/48": "NL"}
"""Networks of registries and of Google that were theirs for decades, or nearly."""


@pytest.fixture(params=["memory", "registries"])
def countries(request: pytest.FixtureRequest) -> Countries:
    return MemoryCountries(REGISTERED) if request.param == "memory" else RegisteredCountries()


@pytest.mark.parametrize(
    ("key", "country"),
    [
        ("8.8.8.8/32", "US"),
        ("193.0.6.139/32", "NL"),
        ("2001:4860:4860::/64", "US"),
        ("2001:67c:2e8:22::c100:68b/128", "NL"),
    ],
)
def test_an_address_key_of_either_family_is_registered_in_a_country(
    countries: Countries, key: str, country: str
) -> None:
    assert countries.country_of(key) == country


@pytest.mark.parametrize("network", ["8.8.8.0/24", "8.8.8.128/25"])
def test_a_network_is_registered_where_its_first_address_is(countries: Countries, network: str) -> None:
    assert countries.country_of(network) == "US"


@pytest.mark.parametrize("key", ["10.0.0.1/32", "240.0.0.1/32", "fe80::/64", "2001:db8::/64"])
def test_what_is_private_or_reserved_is_registered_nowhere(countries: Countries, key: str) -> None:
    assert countries.country_of(key) is None
