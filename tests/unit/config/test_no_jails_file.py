"""The defaults that stand without a file: they are written twice, so that no command waits for pydantic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.networks import NEVER_BANNED

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_file_the_jails_are_those_of_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "f2b.toml").touch()
    empty, none = read_jails(tmp_path / "f2b.toml"), read_jails(None)
    for jails in (empty, none):
        assert (jails.policy.jails, jails.policy.allowed.entries) == ({}, ())
        assert (jails.allowed.entries, jails.apart.entries) == ((), NEVER_BANNED.entries)
        assert (jails.policy.defaults.ignore.entries, jails.blocklists) == ((), ())
    ignore = none.policy.defaults.ignore
    assert replace(empty.policy.defaults, ignore=ignore) == none.policy.defaults
