"""Computes what fail2ban computes: it hands durations, factors and formulas to Python.

Only arithmetic is computed here. A name, a call or an attribute that is no arithmetic is refused, so a
configuration stays no program.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Number = int | float

_CHARACTERS_MAX = 1000
_EXPONENT_MAX = 64  # 2**64 s is past every end; 9**9**9 would never be computed
_MINUTE_S, _HOUR_S, _DAY_S = 60, 60 * 60, 24 * 60 * 60
_UNITS_S: dict[str, Number] = {
    **dict.fromkeys(("s", "ss", "se", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "mm", "mi", "min", "minute", "minutes"), _MINUTE_S),
    **dict.fromkeys(("h", "hh", "ho", "hou", "hour", "hours"), _HOUR_S),
    **dict.fromkeys(("d", "dd", "da", "day", "days"), _DAY_S),
    **dict.fromkeys(("w", "ww", "we", "wee", "week", "weeks"), 7 * _DAY_S),
    **dict.fromkeys(("mo", "mon", "month", "months"), 365.25 * _DAY_S / 12),
    **dict.fromkeys(("y", "yy", "ye", "yea", "year", "years"), 365.25 * _DAY_S),
}
_PIECE = re.compile(r"[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+|[A-Za-z]+|\s+|.")
_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_COMPARED: dict[type[ast.cmpop], Callable[[Number, Number], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_CALLED: dict[str, Callable[..., Number]] = {
    "min": min,
    "max": max,
    "int": int,
    "float": float,
    "round": round,
    "abs": abs,
    **{f"math.{name}": getattr(math, name) for name in ("exp", "log", "log2", "log10", "sqrt", "floor", "ceil")},
}
_NOT_COMPUTED = "f2b cannot compute it"


def seconds(text: str) -> Number:
    """Compute a duration such as `1h 30m`, `1d12h`, `60*60*24` or `3600 # one hour`.

    Raises:
        ValueError: If it is no arithmetic on numbers and units.
    """
    return compute(_in_seconds(_without_comment(text)))


def compute(text: str, names: Mapping[str, Number] | None = None) -> Number:
    """Compute an expression.

    Args:
        text: As Python has it.
        names: The values that it may name, such as `ban.Count`.

    Raises:
        ValueError: If it is no arithmetic, or has no finite result.
    """
    if len(text) > _CHARACTERS_MAX:
        raise ValueError(_NOT_COMPUTED)
    try:
        result = _value(ast.parse(text.strip(), mode="eval").body, names or {})
        finite = math.isfinite(result)
    except (ArithmeticError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(_NOT_COMPUTED) from error
    if not finite:
        raise ValueError(_NOT_COMPUTED)
    return result


def _without_comment(text: str) -> str:
    # Python, not fail2ban, takes # for a comment; what stands in a line after it is an error to both.
    kept, mark, comment = text.partition("#")
    if mark and comment.partition("\n")[2].strip():
        raise ValueError(_NOT_COMPUTED)
    return kept


def _in_seconds(text: str) -> str:
    """Write units as factors, and a plus between two numbers with nothing but blanks between them."""
    written: list[str] = []
    before = ""  # what the next number needs a plus after: a unit at once, a number if a blank is between
    for piece in _PIECE.findall(text):
        unit = _UNITS_S.get(piece.lower())
        is_number = piece.strip("._0123456789") == "" and piece != "."
        if is_number and before in {"unit", "number and blank"}:
            written.append("+")
        written.append(f"*{unit}" if unit is not None else f" {piece} " if piece.isalpha() else piece)
        if piece.isspace():
            before = "number and blank" if before == "number" else before
        else:
            before = "unit" if unit is not None else "number" if is_number else ""
    return "".join(written).replace("\n", " ")


def _value(node: ast.expr, names: Mapping[str, Number]) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name() | ast.Attribute() if ast.unparse(node) in names:
            return names[ast.unparse(node)]
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, _value(left, names), _value(right, names))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand, names))
    return _chosen(node, names)


def _chosen(node: ast.expr, names: Mapping[str, Number]) -> Number:
    match node:
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, names) else other, names)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
            return _COMPARED[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=function, args=arguments, keywords=[]) if ast.unparse(function) in _CALLED:
            return _CALLED[ast.unparse(function)](*(_value(each, names) for each in arguments))
    raise ValueError(_NOT_COMPUTED)


def _binary(op: ast.operator, left: Number, right: Number) -> Number:
    if isinstance(op, ast.Pow | ast.LShift) and abs(right) > _EXPONENT_MAX:
        raise ValueError(_NOT_COMPUTED)
    if isinstance(op, ast.Pow) and isinstance(left, int) and left.bit_length() > _EXPONENT_MAX:
        raise ValueError(_NOT_COMPUTED)
    return _BINARY[type(op)](left, right)
