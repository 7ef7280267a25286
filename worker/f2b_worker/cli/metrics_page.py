"""Writes docs/metrics.md: `python -m f2b_worker.cli.metrics_page`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge
from prometheus_client.metrics import MetricWrapperBase

from f2b_worker.cli.metrics_labels import CLOSED, OPEN
from f2b_worker.dashboard import metrics as of_dashboard
from f2b_worker.observe import metrics as of_worker
from f2b_worker.process.pool.parent import counter_of_deaths
from f2b_worker.shim import metrics as of_shim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from types import ModuleType

    from prometheus_client.metrics_core import Metric

_HEAD = """\
# Metrics

This page is generated from the metrics themselves by `make docs`; do not edit it. Tests hold it against what
running processes show.

- The worker shows its metrics at `/metrics` of `--metrics-port` ([blocklists.md](blocklists.md#is-it-well)). The
  shim shows its own at `/metrics` of its port. Standalone mode has both: at its port those of the shim, at
  `--metrics-port` those of the worker. The dashboard shows its own at `/metrics` of `--http-port`.
- A process may show metrics of the other kind besides. They stay at 0.
- A counter only rises, and begins at 0. Its name ends in `_total`. `…_created` beside it is the time of its
  beginning; several processes do not show it.
- Several processes of one worker, or of one shim, show one page. A counter is their sum; the tables say what a
  gauge is. A metric with labels is there from its first value on.
- Over several workers, take the sum or the maximum. Who does not enforce shows 0, or nothing about IP sets.
- `f2b_jail_banned_current`, `f2b_queue_messages` and `f2b_config_jail_…` are of the whole fleet: take
  `max by (jail)` or `max by (state)` over the workers, not the sum.
- `f2b_up`, `f2b_errors`, `f2b_version`, `f2b_jail_…` and `f2b_config_jail_…` have the names of
  [fail2ban's exporter](https://github.com/hctrdev/fail2ban-prometheus-exporter). Its dashboard shows a fleet,
  but for its map: f2b does not show `f2b_banned_ip_per_geo`.
- A histogram has `…_bucket`, `…_count` and `…_sum`. What one observation is stands in the table.
- No label has an address. A jail that is not in the jails file has no label of its own.
- One process alone also shows the metrics of Python and of the operating system: `python_…` and `process_…`.
- [The alarms](blocklists.md#alarms-and-what-to-do) say what to do about some of these.
"""

_ENDS_IN = "_total"
"""What a counter is called by, and no other metric."""

_OVER_PROCESSES = {"livemax": "the largest", "livemin": "the smallest", "livesum": "the sum", "sum": "the sum"}


def page() -> str:
    """Return the page."""
    everywhere = of_every_process()
    metrics = [*metrics_of(of_worker), *metrics_of(of_shim), *metrics_of(of_dashboard), *everywhere]
    names = {told.name: _name(each) for each in metrics for told in each.describe()}
    tables = [
        _table("The worker", [*metrics_of(of_worker), counter_of_deaths(), *everywhere]),
        _table("The shim", [*metrics_of(of_shim), *everywhere]),
        _table("The dashboard", metrics_of(of_dashboard)),
        *_labels({label for each in metrics for label in label_names(each)}, names),
    ]
    return "\n".join([_HEAD, *tables])


def of_every_process() -> list[MetricWrapperBase]:
    """List what is registered by neither module: worker and shim both show it."""
    known = {*metrics_of(of_worker), *metrics_of(of_shim)}
    registered = [each for each in REGISTRY._collector_to_names if isinstance(each, MetricWrapperBase)]  # noqa: SLF001 - as above
    others = [each for each in registered if each not in known]
    return sorted(others, key=lambda each: next(iter(each.describe())).name)


def metrics_of(module: ModuleType) -> list[MetricWrapperBase]:
    """List what a module registers, in its order."""
    return [each for each in vars(module).values() if isinstance(each, MetricWrapperBase)]


def _table(title: str, metrics: list[MetricWrapperBase]) -> str:
    rows = [
        f"## {title}",
        "",
        "| metric | type | labels | unit | of several processes | what |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *map(_row, metrics), ""])


def _row(metric: MetricWrapperBase) -> str:
    (told,) = metric.describe()
    together = _OVER_PROCESSES[metric._multiprocess_mode] if isinstance(metric, Gauge) else "the sum"  # noqa: SLF001
    labels = ", ".join(f"`{each}`" for each in label_names(metric))
    return f"| `{_name(metric)}` | {told.type} | {labels} | {_unit(told)} | {together} | {told.documentation} |"


def _name(metric: MetricWrapperBase) -> str:
    (told,) = metric.describe()
    return f"{told.name}{_ENDS_IN}" if isinstance(metric, Counter) else told.name


def _unit(told: Metric) -> str:
    if told.name.endswith(("_seconds", "_time")):
        return "s"
    if told.name.endswith("_dollars_per_hour"):
        return "$ an hour"
    if told.name.endswith("_ratio"):
        return "0 to 1"
    return "1 or 0" if told.documentation.startswith(("1 ", "0 ")) else "number"


def label_names(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Name the labels of a metric."""
    names: tuple[str, ...] = metric._labelnames  # noqa: SLF001 - it tells them nowhere else
    return names


def _labels(used: AbstractSet[str], names: Mapping[str, str]) -> Iterator[str]:
    yield "## The labels\n"
    yield "| label | its values |\n|---|---|"
    yield from (f"| `{label}` | {values} |" for label, values in OPEN.items() if label in used)
    for (metric, label), closed in CLOSED.items():
        yield f"\n### `{label}` of `{names[metric]}`\n"
        yield "| value | means |\n|---|---|"
        for value, meaning in closed.items():
            yield f"| `{value}` | {meaning} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
