"""Writes docs/log-events.md: `python -m f2b_worker.cli.log_page`."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import f2b_worker
from f2b_worker.cli.log_calls import events_in, lines_in
from f2b_worker.cli.log_meanings import MEANINGS
from f2b_worker.cli.producer_lines import PRODUCER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from f2b_worker.cli.log_calls import Logged
    from f2b_worker.cli.log_meanings import Meaning

_HEAD = """\
# Log events

This page is generated from the source by `make docs`; do not edit it. A test fails if an event has no meaning
here.

- `f2b-worker` and `f2b-shim` log to standard error: readable on a terminal, otherwise a JSON object a line. It has
  `event`, `level`, `timestamp` (RFC 3339, UTC) and the keys of the table. Where a worker has several processes,
  `worker` is the number of the one that says it. `--log-level` says from which level on.
- `reason` says in one line why, mostly in AWS's words. `remedy` says what to do. `about` names the Region,
  blocklist, IP set or address. `kind` is [a kind of failure](metrics.md#kind-of-f2b_aws_failures_total), and of
  `unreadable` [a kind of item](metrics.md#kind-of-f2b_unreadable_total). `exception` is a traceback. A key
  that has nothing to say is left out.
- An event has at most 100 lines a minute about one thing, and 500 in all, in each process. More are left out and
  counted in `f2b_log_lines_left_out_total`; within a minute, and at the stop, `log_lines_left_out` says how many.
  `banned`, `would_ban`, `pardoned` and the level `debug` have all their lines.
- The level `error` means that somebody has to act. An alarm comes at most once a minute about the same thing
  ([alarms](blocklists.md#alarms-and-what-to-do)). `warning` means: look if it goes on.
- [operations.md](operations.md) says what a process does when something fails. [errors.md](errors.md) has the
  lines that end a process, and those of the commands.
"""

_HEAD_OF_PRODUCER = """\
## The lines of the producer

The producer and `f2b-report` log by Python's `logging`, under the name `f2b_producer`. `%s`, `%d` and the like
stand for what is filled in.
"""


class Event(NamedTuple):
    """An event, however many places log it."""

    name: str
    levels: tuple[str, ...]
    keys: tuple[str, ...]


def page() -> str:
    """Return the page."""
    known = events()
    parts = [_HEAD]
    for title, meanings in MEANINGS.items():
        parts += [f"## {title}\n", *_table(known, meanings), ""]
    return "\n".join([*parts, _HEAD_OF_PRODUCER, *_table(lines(), PRODUCER, has_keys=False), ""])


def events() -> dict[str, Event]:
    """Find the events of the worker, the shim and standalone mode."""
    return _together(events_in(Path(f2b_worker.__file__).parent))


def lines() -> dict[str, Event]:
    """Find the lines of the producer, which the worker does not import."""
    found = importlib.util.find_spec("f2b_producer")
    assert found is not None
    assert found.origin is not None
    return _together(lines_in(Path(found.origin).parent))


def _together(logged: list[Logged]) -> dict[str, Event]:
    found: dict[str, Event] = {}
    for name, level, keys in logged:
        _, levels, known = found.get(name, Event(name, (), ()))
        found[name] = Event(name, tuple(sorted({*levels, level})), tuple(dict.fromkeys((*known, *keys))))
    return found


def _table(known: Mapping[str, Event], meanings: Mapping[str, Meaning], *, has_keys: bool = True) -> Iterator[str]:
    keys_title = " keys |" if has_keys else ""
    yield f"| {'event' if has_keys else 'line'} | level |{keys_title} means | do |"
    yield f"|---|---|{'---|' if has_keys else ''}---|---|"
    for name, meaning in meanings.items():
        event = known[name]
        keys = f" {', '.join(f'`{each}`' for each in event.keys)} |" if has_keys else ""
        yield f"| `{name}` | {', '.join(event.levels)} |{keys} {meaning.means} | {_escaped(meaning.do)} |"


def _escaped(text: str) -> str:
    return re.sub(r"\|", r"\\|", text)


if __name__ == "__main__":
    sys.stdout.write(page())
