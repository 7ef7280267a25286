"""Reads logs with fail2ban's filters: a live one for `f2b-report --tail`, an old one for `f2b replay`.

The worker imports it, and nothing else of this package.
"""

from f2b_producer.logs.bookmark import Bookmark, BookmarkError, Position
from f2b_producer.logs.failregex import FilterError
from f2b_producer.logs.filters import Counts, Found, LogFilter, regexes
from f2b_producer.logs.lines import read_lines
from f2b_producer.logs.tail import Tail, TailedLine, Turn

__all__ = [
    "Bookmark",
    "BookmarkError",
    "Counts",
    "FilterError",
    "Found",
    "LogFilter",
    "Position",
    "Tail",
    "TailedLine",
    "Turn",
    "read_lines",
    "regexes",
]
