"""In which country bans are registered, on a table and on a state file alike."""

from __future__ import annotations

import sys

import pytest

from f2b_worker.testing import MemoryCountries
from tests.integration.acting import ok, place, told
from tests.integration.provisioning import run

__all__ = ["place"]


class TestCountries:
    @pytest.fixture(autouse=True)
    def bans(self, place: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG002 - the ledger comes first
        registered = MemoryCountries({"203.0.113.0/25": "RU", "203.0.113.128/25": "KP", "2001:db8::/32": "DE"})
        for name in ("selection", "groups", "countries"):
            monkeypatch.setattr(f"f2b_worker.query.{name}.open_countries", lambda: registered)
        ok("ban", "203.0.113.1", "203.0.113.2", "203.0.113.200", "203.0.113.0/24", "192.0.2.1", "2001:db8::1")

    def test_the_bans_of_addresses_that_are_registered_in_a_country_are_listed(self) -> None:
        def listed(*countries: str) -> set[str]:
            options = [word for each in countries for word in ("--country", each)]
            return set(ok("list", "-o", "plain", *options).stdout.split())

        assert listed("RU") == {"203.0.113.1", "203.0.113.2", "203.0.113.0/24"}
        assert listed("kp", "DE") == {"203.0.113.200", "2001:db8::/64"}
        assert listed("US") == set()
        answer = run("list", "--country", "Russia")
        assert answer.exit_code == 2
        assert "'Russia' is no country: write two letters of ISO 3166-1, such as RU" in answer.stderr

    def test_the_bans_are_counted_by_country(self) -> None:
        found = {each["name"]: each["bans"] for each in told("stats", "--by", "country")["groups"]}
        assert found == {"RU": 3, "KP": 1, "DE": 1, "none": 1}

    def test_an_explanation_says_where_each_key_is_registered(self) -> None:
        found = {each["ip"]: each["country"] for each in told("explain", "203.0.113.200")["jails"]}
        assert found == {"203.0.113.200": "KP", "203.0.113.0/24": "RU"}
        assert "    country    registered in KP\n" in ok("explain", "203.0.113.200").stdout
        assert "country" not in ok("explain", "192.0.2.1").stdout


class TestCountriesThatAreNotKnown:
    @pytest.fixture(autouse=True)
    def missing(self, place: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG002 - as above
        """The extra is not installed."""
        monkeypatch.setitem(sys.modules, "iptocc", None)

    @pytest.mark.parametrize("asked", [["list", "--country", "RU"], ["stats", "--by", "country"]])
    def test_who_asks_for_them_is_told_in_one_line_what_to_install(self, asked: list[str]) -> None:
        answer = ok(*asked, code=3)
        assert answer.stdout == ""
        (line,) = answer.stderr.splitlines()
        assert "install f2b-worker with its extra [geo]" in line

    def test_an_explanation_is_whole_without_them(self) -> None:
        ok("ban", "8.8.8.8")
        (found,) = told("explain", "8.8.8.8")["jails"]
        assert found["country"] is None
        assert "country" not in ok("explain", "8.8.8.8").stdout
        assert ok("list", "-o", "plain").stdout == "8.8.8.8\n"
