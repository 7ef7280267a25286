"""What several processes show together; each is a real one, as prometheus_client decides when it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from f2b_worker import __version__
from f2b_worker.errors import StartError
from f2b_worker.observe import shared
from f2b_worker.observe.shared import mark_dead, registry_of_all, shared_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

BEGIN = """
import multiprocessing
multiprocessing.current_process().name = {name!r}
from f2b_worker.observe import metrics, region_metrics
region = region_metrics.RegionMetrics("eu-west-1")
"""


def work(name: str, *lines: str) -> None:
    """Let a process of that name do something with its metrics, and die."""
    subprocess.run([sys.executable, "-W", "error", "-c", "\n".join([BEGIN.format(name=name), *lines])], check=True)


@pytest.fixture
def together() -> Iterator[CollectorRegistry]:
    with shared_metrics():
        yield registry_of_all()


def shown(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"f2b_{name}", {"region": "eu-west-1", **labels})


def test_counters_are_added_up_and_survive_a_death_and_the_successor(together: CollectorRegistry) -> None:
    seen = []
    for name in ("worker-0", "worker-1", "worker-0", "worker-0"):
        work(name, "metrics.messages_settled.inc(10)", "metrics.refused.labels('json').inc()")
        seen.append(together.get_sample_value("f2b_messages_settled_total"))
        mark_dead(name)
        seen.append(together.get_sample_value("f2b_messages_settled_total"))
    assert seen == [10, 10, 20, 20, 30, 30, 40, 40]
    assert together.get_sample_value("f2b_refused_total", {"reason": "json"}) == 4
    files = {each.name for each in Path(os.environ[shared.FOLDER]).iterdir()}
    kinds = ("counter", "histogram")
    assert files == {f"{kind}_{name}.db" for kind in kinds for name in ("worker-0", "worker-1")}


def test_what_the_one_that_enforces_shows_is_shown_until_it_dies(together: CollectorRegistry) -> None:
    work("worker-0", "region.bans_active.set(7)", "region.show_foreign('f2b-ipv4', entries=2, allowlisted=0)")
    work("worker-1", "region.clear()")
    assert shown(together, "bans_active") == 7
    assert shown(together, "foreign_entries", ip_set="f2b-ipv4") == 2
    mark_dead("worker-0")
    assert shown(together, "bans_active") == 0
    assert shown(together, "foreign_entries", ip_set="f2b-ipv4") is None


def test_an_enforcer_that_lost_the_lease_hides_nothing_of_its_successor(together: CollectorRegistry) -> None:
    on_a_set = "region.show_foreign('f2b-ipv4', entries={}, allowlisted=0)"
    work("worker-0", "region.surge.set(1)", on_a_set.format(9), "region.clear()")
    assert shown(together, "surge") == 0
    assert shown(together, "foreign_entries", ip_set="f2b-ipv4") is None
    work("worker-1", on_a_set.format(0))
    assert shown(together, "foreign_entries", ip_set="f2b-ipv4") == 0


def test_what_was_shown_of_a_deleted_set_ends(together: CollectorRegistry) -> None:
    work(
        "worker-0",
        "for name in ('f2b-ipv4', 'f2b-ipv4-2'): region.show_reference(name, is_missing=True)",
        "region.forget_ip_set('f2b-ipv4')",
    )
    assert shown(together, "ip_set_unreferenced", ip_set="f2b-ipv4") is None
    assert shown(together, "ip_set_unreferenced", ip_set="f2b-ipv4-2") == 1


def test_the_enforcers_are_ready_if_all_of_them_are(together: CollectorRegistry) -> None:
    work("worker-0", "region.enforcer_ready.set(1)")
    assert shown(together, "enforcer_ready") == 1
    work("worker-1", "region.enforcer_ready.set(0)")
    assert shown(together, "enforcer_ready") == 0
    mark_dead("worker-1")
    assert shown(together, "enforcer_ready") == 1


def test_of_several_processes_one_line_says_which_version_works(together: CollectorRegistry) -> None:
    labels = {"version": __version__}
    for name in ("worker-0", "worker-1"):
        work(name)
    assert together.get_sample_value("f2b_build_info", labels) == 1
    for name in ("worker-0", "worker-1"):
        mark_dead(name)
    assert together.get_sample_value("f2b_build_info", labels) is None


def test_nothing_is_left_on_the_disk_and_in_the_environment() -> None:
    with shared_metrics():
        folder = Path(os.environ[shared.FOLDER])
        work("worker-0")
        assert list(folder.iterdir())
    assert not folder.exists()
    assert shared.FOLDER not in os.environ


def test_without_a_place_for_the_files_it_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_IN_MEMORY", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with (
        pytest.raises(StartError, match=r"takes a folder .* such as /dev/shm: No such file or directory"),
        shared_metrics(),
    ):
        pass
