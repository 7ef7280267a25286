"""DynamoDB's expressions, as far as a ledger needs them, compiled once for each text.

What is not known here is refused with ValidationException, so that a measurement never rests on a guess.
Paths are names of top-level attributes; conditions are comparisons and functions joined by AND and OR.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from benchmarks.canned.tally import CannedError

Value = dict[str, Any]
Item = dict[str, Value]
Names = Mapping[str, str]
Values = Mapping[str, Value]
Condition = Callable[[Item, Names, Values], bool]
Action = Callable[[Item, Item, Names, Values], None]
"""Changes the second item by what stood in the first, which stays as it was."""

_SETS = {"SS", "NS", "BS"}
_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),+-]|[#:]?[A-Za-z_]\w*)")


def refuse(what: str) -> CannedError:
    """Make the error for what AWS, or this part of it, does not take."""
    return CannedError("ValidationException", f"not taken by the canned DynamoDB: {what}")


def is_equal(one: Value | None, other: Value | None) -> bool:
    """Compare two attribute values; what is missing equals nothing."""
    if one is None or other is None:
        return False
    if one == other:
        return True
    ((kind, held),) = one.items()
    if kind not in other:
        return False
    if kind == "N":
        return Decimal(held) == Decimal(other["N"])
    return kind in _SETS and set(held) == set(other[kind])


def _is_less(one: Value | None, other: Value | None) -> bool:
    if one is None or other is None:
        return False
    if "N" in one and "N" in other:
        return Decimal(one["N"]) < Decimal(other["N"])
    return "S" in one and "S" in other and str(one["S"]) < str(other["S"])


def begins_with(one: Value | None, prefix: Value | None) -> bool:
    """Tell whether a text begins with another; what is no text does not."""
    return bool(one and prefix and "S" in one and one["S"].startswith(prefix["S"]))


COMPARISONS: dict[str, Callable[[Value | None, Value | None], bool]] = {
    "=": is_equal,
    "<>": lambda one, other: not is_equal(one, other),
    "<": _is_less,
    ">": lambda one, other: _is_less(other, one),
    "<=": lambda one, other: _is_less(one, other) or is_equal(one, other),
    ">=": lambda one, other: _is_less(other, one) or is_equal(one, other),
}


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if not found:
                raise refuse(text)
            self._tokens.append(found[1])
            place = found.end()
        self._tokens.reverse()

    @property
    def next(self) -> str:
        """The next token; empty at the end."""
        return self._tokens[-1] if self._tokens else ""

    def take(self, *wanted: str) -> str:
        if not self._tokens or (wanted and self.next.upper() not in wanted):
            raise refuse(self._text)
        return self._tokens.pop()

    def may_take(self, token: str) -> bool:
        if self.next.upper() == token:
            self._tokens.pop()
            return True
        return False

    def finished(self) -> None:
        if self._tokens:
            raise refuse(self._text)

    def condition(self) -> Condition:
        parts = [self._all_of()]
        while self.may_take("OR"):
            parts.append(self._all_of())
        if len(parts) == 1:
            return parts[0]
        return lambda item, names, values: any(part(item, names, values) for part in parts)

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self.may_take("AND"):
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        return lambda item, names, values: all(part(item, names, values) for part in parts)

    def _one(self) -> Condition:
        if self.may_take("NOT"):
            negated = self._one()
            return lambda item, names, values: not negated(item, names, values)
        if self.may_take("("):
            inner = self.condition()
            self.take(")")
            return inner
        first = self.take()
        if first in {"attribute_exists", "attribute_not_exists"} and self.may_take("("):
            return self._existence(first)
        if first == "begins_with" and self.may_take("("):
            return self._beginning()
        compare = COMPARISONS[self.take(*COMPARISONS)]
        second = self.take()
        return lambda item, names, values: compare(
            _operand(first, item, names, values), _operand(second, item, names, values)
        )

    def _existence(self, function: str) -> Condition:
        name = self.take()
        self.take(")")
        wanted = function == "attribute_exists"
        return lambda item, names, _: (names.get(name, name) in item) is wanted

    def _beginning(self) -> Condition:
        name = self.take()
        self.take(",")
        prefix = self.take()
        self.take(")")
        return lambda item, names, values: begins_with(
            _operand(name, item, names, values), _operand(prefix, item, names, values)
        )

    def actions(self) -> list[Action]:
        found: list[Action] = []
        while self.next:
            clause = self.take("SET", "REMOVE", "ADD", "DELETE").upper()
            found.append(self._action(clause))
            while self.may_take(","):
                found.append(self._action(clause))
        return found

    def _action(self, clause: str) -> Action:
        name = self.take()
        if clause == "REMOVE":
            return _removal(name)
        if clause == "SET":
            self.take("=")
            return self._assignment(name)
        return _set_change(clause, name, self.take())

    def _assignment(self, name: str) -> Action:
        term = self.take()
        default = ""
        if term == "if_not_exists":
            self.take("(")
            term = self.take()
            self.take(",")
            default = self.take()
            self.take(")")
        sign = self.take() if self.next in {"+", "-"} else ""
        summand = self.take() if sign else ""

        def assign(before: Item, after: Item, names: Names, values: Values) -> None:
            value = _operand(term, before, names, values)
            if value is None and default:
                value = _operand(default, before, names, values)
            if sign and value is not None:
                value = _sum(value, _operand(summand, before, names, values), sign)
            if value is None:
                raise refuse(f"an operand of SET {name} is no attribute of the item")
            after[names.get(name, name)] = value

        return assign


def _operand(term: str, item: Item, names: Names, values: Values) -> Value | None:
    if term[0] == ":":
        if term not in values:
            raise refuse(f"{term} has no value")
        return values[term]
    return item.get(names.get(term, term))


def _sum(one: Value, other: Value | None, sign: str = "+") -> Value:
    if other is None or "N" not in one or "N" not in other:
        raise refuse("a sum of what are not numbers")
    summand = Decimal(other["N"])
    return {"N": str(Decimal(one["N"]) + (summand if sign == "+" else -summand))}


def _removal(name: str) -> Action:
    def remove(_before: Item, after: Item, names: Names, _values: Values) -> None:
        after.pop(names.get(name, name), None)

    return remove


def _set_change(clause: str, name: str, term: str) -> Action:
    def change(before: Item, after: Item, names: Names, values: Values) -> None:
        attribute = names.get(name, name)
        old, new = before.get(attribute), values[term]
        ((kind, elements),) = new.items()
        if clause == "ADD" and kind == "N":
            after[attribute] = new if old is None else _sum(old, new)
            return
        if kind not in _SETS or (old is not None and kind not in old):
            raise refuse(f"{clause} {attribute} with {kind}")
        held = dict.fromkeys(old[kind] if old else ())
        if clause == "ADD":
            held |= dict.fromkeys(elements)
        else:
            for element in elements:
                held.pop(element, None)
        if held:
            after[attribute] = {kind: list(held)}
        else:
            after.pop(attribute, None)

    return change


@lru_cache(maxsize=4096)
def condition_of(expression: str) -> Condition:
    """Compile a ConditionExpression."""
    reader = _Reader(expression)
    condition = reader.condition()
    reader.finished()
    return condition


@lru_cache(maxsize=4096)
def actions_of(expression: str) -> list[Action]:
    """Compile an UpdateExpression."""
    return _Reader(expression).actions()


@lru_cache(maxsize=4096)
def names_in(expression: str) -> frozenset[str]:
    """Find the attributes that an expression names without a placeholder, its keywords among them."""
    return frozenset(re.findall(r"(?<![#:\w])[A-Za-z_]\w*", expression))
