"""PartiQL statements, as far as a ledger needs them, compiled once for each text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from benchmarks.canned.expressions import COMPARISONS, Item, Value, is_equal, refuse

_NAME = r'"?([A-Za-z_]\w*)"?'
_TABLE = r'"?([A-Za-z0-9_.-]+)"?'
_INSERT = re.compile(rf"\s*INSERT\s+INTO\s+{_TABLE}\s+VALUE\s*\{{(.*)\}}\s*", re.DOTALL)
_FIELD = re.compile(r"\s*'([^']+)'\s*:\s*\?\s*(?:,|$)")
_UPDATE = re.compile(rf"\s*UPDATE\s+{_TABLE}\s+(.*?)\s+WHERE\s+(.*?)\s*", re.DOTALL)
_CHANGE = re.compile(rf"\s*(?:(SET|REMOVE)\s+|,\s*){_NAME}(?:\s*=\s*(\?))?")
_TEST = re.compile(rf"{_NAME}\s*(?:(=|<>|<=|>=|<|>)\s*\?|IS\s+(NOT\s+)?MISSING)")


@dataclass(frozen=True, slots=True)
class Insert:
    """INSERT INTO: the attributes in the order of their parameters."""

    table: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """UPDATE … WHERE pk = ? AND sk = ? AND …: each number is the place of a parameter.

    Attributes:
        tests: What must hold beside the key: attribute, comparison, parameter.
        there: Attributes that must be there (true) or not (false).
        names: Attributes that it changes.
    """

    table: str
    sets: tuple[tuple[str, int], ...]
    removes: tuple[str, ...]
    pk: int
    sk: int
    tests: tuple[tuple[str, str, int], ...]
    there: tuple[tuple[str, bool], ...]
    names: frozenset[str]

    def holds(self, item: Item, parameters: list[Value]) -> bool:
        """Tell whether an item is as the WHERE clause says."""
        for name, sign, place in self.tests:
            held, wanted = item.get(name), parameters[place]
            if sign == "=":
                if held != wanted and not is_equal(held, wanted):
                    return False
            elif not COMPARISONS[sign](held, wanted):
                return False
        return all((name in item) is there for name, there in self.there)

    def applied(self, item: Item, parameters: list[Value]) -> Item:
        """Return what it makes of an item, which stays as it is."""
        after = item.copy()
        for name, place in self.sets:
            after[name] = parameters[place]
        for name in self.removes:
            after.pop(name, None)
        return after


@lru_cache(maxsize=4096)
def statement_of(text: str) -> Insert | Update:
    """Compile a PartiQL statement."""
    if len(text) > 8192:
        raise refuse("a statement of more than 8,192 characters")
    found = _INSERT.fullmatch(text)
    if found:
        fields = list(_FIELD.finditer(found[2]))
        if "".join(field[0] for field in fields) != found[2]:
            raise refuse(text)
        return Insert(found[1], tuple(field[1] for field in fields))
    found = _UPDATE.fullmatch(text)
    if found:
        return _update_of(text, found[1], found[2], found[3])
    raise refuse(text)


def _update_of(text: str, table: str, changes: str, where: str) -> Update:
    sets: list[tuple[str, int]] = []
    removes: list[str] = []
    parameters = place = 0
    clause = ""
    while changes[place:].strip():
        found = _CHANGE.match(changes, place)
        clause = (found and found[1]) or clause
        if not found or (clause == "SET") is not bool(found[3]):
            raise refuse(text)
        if clause == "SET":
            sets.append((found[2], parameters))
            parameters += 1
        else:
            removes.append(found[2])
        place = found.end()
    keys, tests, there = _where(text, where, parameters)
    if set(keys) != {"pk", "sk"}:
        raise refuse(f"{text}: the WHERE clause must name the whole key by =")
    names = frozenset([*(name for name, _ in sets), *removes])
    return Update(table, tuple(sets), tuple(removes), keys["pk"], keys["sk"], tuple(tests), tuple(there), names)


def _where(
    text: str, where: str, parameters: int
) -> tuple[dict[str, int], list[tuple[str, str, int]], list[tuple[str, bool]]]:
    keys: dict[str, int] = {}
    tests: list[tuple[str, str, int]] = []
    there: list[tuple[str, bool]] = []
    for part in re.split(r"\s+AND\s+", where):
        found = _TEST.fullmatch(part.strip())
        if not found:
            raise refuse(text)
        name, sign, negated = found.groups()
        if not sign:
            there.append((name, bool(negated)))
            continue
        if name in {"pk", "sk"} and sign == "=":
            keys[name] = parameters
        else:
            tests.append((name, sign, parameters))
        parameters += 1
    return keys, tests, there
