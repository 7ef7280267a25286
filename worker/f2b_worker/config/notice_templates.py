"""Templates of notices: Jinja2, of which only that is allowed which cannot take long, or much, or anything else.

What attackers wrote is in the values, and a template that multiplies it must not fill the memory of the process
that tells of everything else. So nothing is called, set, or defined; loops are bounded in depth and time; each
filter is known. What is left grows with the length of the template only.
"""

from __future__ import annotations

import json
import threading
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from f2b_worker.config.notices import EXAMPLE, TAGS, TEXT_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

TEMPLATE_MAX = 8_000
WITHIN_S = 2.0
LOOPS_MAX = 2
"""So deep loops may stand in each other."""

DEEP_MAX = 40
"""So deep anything may be nested, filters included: beyond, Python takes seconds to compile it."""

JOINED_MAX = 100
"""So long a separator may be: joined again and again, it would grow without end."""

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.For,
    nodes.If,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Sub,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Neg,
    nodes.Slice,
    nodes.Keyword,
)
_NAMES = {
    nodes.Call: "a call",
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.Macro: "a macro",
    nodes.Concat: "~",
    nodes.Mul: "*",
    nodes.Add: "+",
    nodes.Pow: "**",
    nodes.Mod: "%",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.Extends: "extends",
    nodes.List: "a list",
    nodes.Tuple: "a tuple",
    nodes.Dict: "a dictionary",
}
_OF_A_LOOP = frozenset({"index", "index0", "first", "last", "length", "revindex", "revindex0"})
_FILTERS = (
    "abs",
    "capitalize",
    "count",
    "default",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "max",
    "min",
    "reverse",
    "round",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
)
_TESTS = (
    "defined",
    "divisibleby",
    "even",
    "odd",
    "none",
    "number",
    "string",
    "in",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
)
_TICKING = "f2b_ticking"


class _Sandbox(ImmutableSandboxedEnvironment):
    """Hands out the values that it is given, and nothing of what Python knows of them."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read what stands under a name in a dictionary, or what a loop tells of itself."""
        if isinstance(obj, LoopContext) and attribute in _OF_A_LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Read what stands under a name in a dictionary, or at a place of a list or text."""
        if isinstance(obj, Undefined):
            return obj  # it says by itself what is not there
        if isinstance(obj, dict | list | tuple | str):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                pass
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        """Let nothing be called."""
        del obj
        return False


class _Time(threading.local):
    ends_s = float("inf")


_time = _Time()


def _ticking(values: Iterable[Any]) -> Iterator[Any]:
    """Go through what a loop goes through, as long as there is time."""
    for each in values:
        if time.monotonic() > _time.ends_s:
            raise SecurityError(f"it takes longer than {WITHIN_S:.0f} s")
        yield each


def _joined(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    """Join the texts of a list; a text is none, whose characters would be joined."""
    if isinstance(values, str):
        raise SecurityError("join needs a list")
    if len(separator) > JOINED_MAX:
        raise SecurityError(f"a separator of join has {JOINED_MAX} characters at most")
    return separator.join(str(each[attribute] if attribute else each) for each in _ticking(values))


def _rounded(number: float, digits: int = 0) -> float:
    """Round; the filter of Jinja2 computes any power of ten that it is asked for."""
    return round(number, max(0, min(digits, 9)))


def _bounded(run: Callable[..., Any]) -> Callable[..., Any]:
    """Let a filter make no more than so much: each may make a few times of what it is given, for the next one."""

    @wraps(run)  # what Jinja2 hands a filter besides, it reads from an attribute of the function
    def bounded(*args: Any, **kwargs: Any) -> Any:
        made = run(*args, **kwargs)
        if isinstance(made, str | list | tuple) and len(made) > TEXT_MAX:
            raise SecurityError(f"a filter makes more than {TEXT_MAX:,} characters")
        return made

    return bounded


def _environment() -> _Sandbox:
    made = _Sandbox(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    made.globals.clear()
    own: dict[str, Callable[..., Any]] = {"join": _joined, "round": _rounded, "tojson": json.dumps}
    filters: dict[str, Callable[..., Any]] = {name: own.get(name) or made.filters[name] for name in _FILTERS}
    made.filters = {name: _bounded(run) for name, run in filters.items()} | {_TICKING: _ticking}
    made.tests = {name: made.tests[name] for name in _TESTS}
    return made


_ENVIRONMENT = _environment()


class NoticeTemplate:
    """One template.

    Args:
        source: What stands in the file.
        most: It may make so many characters.

    Raises:
        ValueError: In one line, what is wrong with it.
    """

    def __init__(self, source: str, most: int) -> None:
        self._most = most
        if len(source) > TEMPLATE_MAX:
            raise ValueError(f"is longer than {TEMPLATE_MAX:,} characters")
        try:
            tree = _ENVIRONMENT.parse(source)
            _check(tree)
            self._template = _ENVIRONMENT.from_string(tree)
        except (RecursionError, MemoryError, SyntaxError):  # Python's own limits for what Jinja2 makes of it
            raise ValueError("is nested too deep") from None
        except TemplateError as error:
            raise ValueError(_told(error)) from None

    def render(self, values: Mapping[str, Any]) -> str:
        """Make the text.

        Raises:
            ValueError: In one line, why there is none.
        """
        _time.ends_s = time.monotonic() + WITHIN_S
        parts: list[str] = []
        length = 0
        try:
            for part in self._template.generate(values):
                parts.append(part)
                length += len(part)
                if length > self._most:
                    raise ValueError(f"makes more than {self._most:,} characters")
        except (TemplateError, RecursionError, MemoryError) as error:
            raise ValueError(_told(error)) from None
        except (TypeError, LookupError, ArithmeticError, AttributeError) as error:
            raise ValueError(f"cannot be filled in: {error}") from None
        return "".join(parts)


def check_template(source: str, most: int) -> str:
    """See that a template can be filled in with every kind of notice; answer it.

    Raises:
        ValueError: In one line, what is wrong with it.
    """
    made = NoticeTemplate(source, most)
    made.render(EXAMPLE)
    nothing = {"bans": [], "count": 0, "top_networks": [], "top_jails": []}
    made.render({**EXAMPLE, **dict.fromkeys(TAGS, ""), **nothing})
    return source


def _check(tree: nodes.Template) -> None:
    """Refuse whatever is not known to be bounded, and have each loop look at the time.

    Raises:
        SecurityError: Naming it.
    """
    _check_in(tree, loops=0, deep=0)


def _check_in(node: nodes.Node, *, loops: int, deep: int) -> None:
    if deep > DEEP_MAX:
        raise SecurityError(f"line {node.lineno}: is nested too deep")
    if not isinstance(node, _ALLOWED):
        name = _NAMES.get(type(node), type(node).__name__.lower())
        raise SecurityError(f"line {node.lineno}: a template of a notice may not use {name}")
    if isinstance(node, nodes.For):
        loops += 1
        if loops > LOOPS_MAX or node.recursive:
            raise SecurityError(f"line {node.lineno}: loops may stand in each other {LOOPS_MAX} deep, no deeper")
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise SecurityError(f"line {node.lineno}: no filter {node.name!r}; there are {', '.join(_FILTERS)}")
    for child in node.iter_child_nodes():
        _check_in(child, loops=loops, deep=deep + 1)
    if isinstance(node, nodes.For):
        node.iter = nodes.Filter(node.iter, _TICKING, [], [], None, None, lineno=node.lineno)


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if "is undefined" in text or "object has no " in text.replace("'", ""):
        return f"{text}; a template may use {', '.join(EXAMPLE)}"
    return text
