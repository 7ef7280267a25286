"""What a browser asks for, and who asks; and what is answered with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


Form: TypeAlias = "Mapping[str, Sequence[str]]"
"""What somebody sent: a field may stand in it more than once."""


class WrongQuery(Exception):
    """A program asked for what there cannot be; the text is one line for it."""


class Visitor(NamedTuple):
    """Who looks at a page.

    Attributes:
        name: As the audit has it; empty for who is not logged in.
        may_act: Whether buttons are there, and do something.
        can_log_in: Whether there is a token that opens a session.
    """

    name: str = ""
    may_act: bool = False
    can_log_in: bool = False


class Said(NamedTuple):
    """What became of the act before this page, shown once.

    Attributes:
        is_done: Whether all of it was done.
        text: A line for each outcome.
        has_changed: Whether at least a part of it changed something.
    """

    is_done: bool
    text: str
    has_changed: bool = False


NOBODY = Visitor()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question.

    Attributes:
        path: The path, decoded.
        query: The query, decoded; of what is given twice, the first.
        visitor: Who asks.
        url: Path and query as they came, for links that lead back here.
        said: What to show of the act before.
    """

    path: str
    query: Mapping[str, str]
    visitor: Visitor = NOBODY
    url: str = "/"
    said: Said | None = None

    @property
    def segment(self) -> str:
        """The first part of the path, which says what kind of page it is."""
        return self.path.strip("/").partition("/")[0]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer, before it is written.

    Attributes:
        status: HTTP's status code.
        template: The name of its template.
        context: What the template shows.
    """

    status: int
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)


def fields_in(text: bytes) -> dict[str, str]:
    """Read a query; of what is given twice, the first counts."""
    fields: dict[str, str] = {}
    for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
        fields.setdefault(name, value)
    return fields
