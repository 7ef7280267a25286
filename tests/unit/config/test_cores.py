"""How many processes a container gets that was not told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from f2b_worker.config.cores import usable_cores

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)))


class Groups:
    """Control groups as the kernel shows them."""

    def __init__(self, folder: Path, member: str) -> None:
        self.root, self.member = folder / "cgroup", folder / "membership"
        self.member.write_text(member)

    def set(self, group: str, **limits: str) -> None:
        folder = self.root / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in limits.items():
            (folder / f"cpu.{name}").write_text(f"{text}\n")

    @property
    def cores(self) -> int:
        return usable_cores(self.root, self.member)


def test_without_a_quota_there_are_as_many_as_the_affinity_allows(tmp_path: Path) -> None:
    groups = Groups(tmp_path, "0::/\n")
    assert groups.cores == 16
    groups.set("", max="max 100000")
    assert groups.cores == 16


@pytest.mark.parametrize(("quota", "cores"), [("50000", 1), ("150000", 1), ("200000", 2), ("9900000", 16)])
def test_a_quota_counts_in_whole_cores_and_is_never_none(tmp_path: Path, quota: str, cores: int) -> None:
    groups = Groups(tmp_path, "0::/\n")
    groups.set("", max=f"{quota} 100000")
    assert groups.cores == cores


def test_the_tightest_of_all_groups_around_counts(tmp_path: Path) -> None:
    groups = Groups(tmp_path, "0::/pods/one/f2b\n")
    groups.set("pods/one/f2b", max="max 100000")
    groups.set("pods/one", max="300000 100000")
    groups.set("pods", max="800000 100000")
    groups.set("others", max="100000 100000")
    assert groups.cores == 3


def test_version_1_is_read_where_a_container_does_not_see_its_own_name(tmp_path: Path) -> None:
    groups = Groups(tmp_path, "5:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n")
    groups.set("cpu", cfs_quota_us="-1", cfs_period_us="100000")
    assert groups.cores == 16
    groups.set("cpu", cfs_quota_us="400000", cfs_period_us="100000")
    assert groups.cores == 4


@pytest.mark.parametrize("text", ["", "all of it", "x y", "100000 0"])
def test_a_quota_that_nobody_understands_is_none(tmp_path: Path, text: str) -> None:
    groups = Groups(tmp_path, "nonsense\n0::/\n")
    assert groups.cores == 16
    groups.member.write_text("0::/\n")
    groups.set("", max=text)
    assert groups.cores == 16


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "none", tmp_path / "none") == 16
