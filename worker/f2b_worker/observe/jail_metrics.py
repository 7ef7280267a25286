"""What is shown of each jail: only those of the file have a name, for who reports may invent others."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from f2b_worker.domain.jails import DEFAULT_JAIL, FOREVER_MS
from f2b_worker.observe import metrics
from f2b_worker.observe.shared import show_nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Gauge

    from f2b_worker.domain.jails import Jail, Policy

OTHER = "other"
"""Stands for all jails that are not in the file."""

_OF_THE_FILE = (metrics.jail_ban_time_s, metrics.jail_find_time_s, metrics.jail_max_retries)


class JailMetrics:
    """The metrics with the label `jail`; for any number of threads."""

    def __init__(self) -> None:
        self._names = frozenset({DEFAULT_JAIL})
        self._banned: dict[str, Counter[str]] = {}
        self._banned_shown: set[str] = set()
        self._showing = threading.Lock()

    def label(self, jail: str) -> str:
        """Name a jail as the label does."""
        return jail if jail in self._names else OTHER

    def by_label(self, by_jail: Mapping[str, int]) -> Counter[str]:
        """Add up numbers of jails that have one label."""
        numbers: Counter[str] = Counter()
        for jail, number in by_jail.items():
            numbers[self.label(jail)] += number
        return numbers

    def use(self, policy: Policy) -> None:
        """Show the jails of a file in the place of those of another one."""
        names = frozenset({DEFAULT_JAIL, *policy.jails})
        for name in self._names - names:
            _hide(name, (*_OF_THE_FILE, metrics.jail_failed_current))
        self._names = names
        metrics.jail_count.set(len(names))
        for name in names:
            _show_settings(name, policy.jail(name))
            for counter in (metrics.jail_failed, metrics.jail_banned):
                counter.labels(name)  # it shows 0 from now on

    def show_failed(self, by_jail: Mapping[str, int]) -> None:
        """Show how many addresses have failed of late and are not banned."""
        numbers = self.by_label(by_jail)
        for name in self._names | numbers.keys():
            metrics.jail_failed_current.labels(name).set(numbers[name])

    def show_banned(self, region: str, by_jail: Mapping[str, int]) -> None:
        """Show how many addresses the enforcer of one Region knows to be banned."""
        with self._showing:
            self._banned[region] = self.by_label(by_jail)
            self._show_banned(self._names)

    def hide_banned(self, region: str) -> None:
        """Leave it to somebody else to show that."""
        if region in self._banned:
            with self._showing:
                del self._banned[region]
                self._show_banned(self._names if self._banned else ())

    def _show_banned(self, names: Iterable[str]) -> None:
        # A ban may be enforced in several Regions, and is one.
        most: Counter[str] = Counter(dict.fromkeys(names, 0))
        for numbers in self._banned.values():
            most |= numbers
        shown = {*names, *most}
        for name in self._banned_shown - shown:
            _hide(name, (metrics.jail_banned_current,))
        for name in shown:
            metrics.jail_banned_current.labels(name).set(most[name])
        self._banned_shown = shown


def _show_settings(name: str, jail: Jail) -> None:
    first = jail.windows[0]
    metrics.jail_ban_time_s.labels(name).set(-1 if jail.bantime_ms >= FOREVER_MS else jail.bantime_ms / 1000)
    metrics.jail_find_time_s.labels(name).set(first.findtime_ms / 1000)
    metrics.jail_max_retries.labels(name).set(first.maxretry)


def _hide(name: str, gauges: Iterable[Gauge]) -> None:
    for gauge in gauges:
        show_nothing(gauge, name)


jails = JailMetrics()
"""Of this process, as the metrics are."""
