"""A watch over the IP sets of one account: what they hold, and when it came in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from localstack.control import EdgeControl

LOOK_EVERY_S = 0.02


class Watch:
    """Follows the IP sets of one account through the edge's own record, so that no call of WAF is spent.

    Attributes:
        sets: What each IP set holds.
        entered_s: When each entry was last put into a set, in epoch seconds.
        left_s: When each entry that is in no set left the last one.
        updates: How many updates took effect.
    """

    def __init__(self, edge: EdgeControl, account: str) -> None:
        self.sets: dict[str, set[str]] = {}
        self.entered_s: dict[str, float] = {}
        self.left_s: dict[str, float] = {}
        self.updates = 0
        self._edge = edge
        self._account = account
        self._seen = 0

    def look(self) -> None:
        """Take in what happened since."""
        for change in self._edge.waf_changes(self._account, after=self._seen):
            self._seen = change["number"]
            self.updates += 1
            held = self.sets.setdefault(change["ip_set"], set())
            held.update(change["added"])
            held.difference_update(change["removed"])
            self.entered_s.update(dict.fromkeys(change["added"], change["at_s"]))
            for entry in change["removed"]:
                if not any(entry in others for others in self.sets.values()):
                    self.left_s[entry] = change["at_s"]
            for entry in change["added"]:
                self.left_s.pop(entry, None)

    def held(self) -> set[str]:
        """Tell what all sets hold together."""
        return set().union(*self.sets.values()) if self.sets else set()

    def wait_until_in(self, entries: Iterable[str], within_s: float) -> float:
        """Wait until all of *entries* are in a set; tell when the last one came in, in epoch seconds."""
        wanted = set(entries)
        self._wait(lambda: wanted <= self.held(), f"{len(wanted)} bans are in the sets", within_s)
        return max(self.entered_s[entry] for entry in wanted)

    def wait_until_out(self, entries: Iterable[str], within_s: float) -> float:
        """Wait until none of *entries* is in a set; tell when the last one left, in epoch seconds."""
        unwanted = set(entries)
        self._wait(lambda: not unwanted & self.held(), f"{len(unwanted)} ended bans are out of the sets", within_s)
        return max(self.left_s[entry] for entry in unwanted)

    def _wait(self, is_so: Callable[[], bool], what: str, within_s: float) -> None:
        ends_s = time.monotonic() + within_s
        self.look()
        while not is_so():
            self.wait_for_an_update(ends_s, what)

    def wait_for_an_update(self, ends_s: float, what: str) -> None:
        """Wait until the next update took effect, or raise that *what* did not come true until *ends_s*."""
        seen = self._seen
        while self._seen == seen:
            if time.monotonic() > ends_s:
                raise BenchError(f"not within its time: {what}")
            time.sleep(LOOK_EVERY_S)
            self.look()
