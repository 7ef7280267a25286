"""What this machine tells of who is logged in."""

from __future__ import annotations

import pytest

from f2b_worker.adapters.machine import login_address


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("203.0.113.9 50000 10.0.0.5 22", "203.0.113.9"),
        ("2001:db8::9 50000 2001:db8::1 22", "2001:db8::9"),
        ("fe80::9%eth0 50000 fe80::1%eth0 22", "fe80::9"),
        ("UNKNOWN 50000 10.0.0.5 22", None),
        ("", None),
    ],
)
def test_a_login_has_an_address_where_ssh_tells_one(
    monkeypatch: pytest.MonkeyPatch, told: str, address: str | None
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", told)
    assert login_address() == address
