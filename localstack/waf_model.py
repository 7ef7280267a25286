"""The names, descriptions and tags that AWS WAF takes: its model has their patterns, and no emulator checks them.

botocore's model is AWS's own; botocore itself checks of it the types and the lengths, but no pattern.
"""

import re
from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, Shape, StructureShape
from botocore.session import Session

from localstack.waf_parts import Data, unfit

CHECKED = ("EntityName", "EntityDescription", "MetricName", "TagKey", "TagValue")
_LETTERS_AND_BLANKS = (r"\p{L}\p{Z}\p{N}", r"\w \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000")
"""What tags may hold of Unicode, and how Python writes it: letters, numbers, and blanks, which have no name."""


class Model:
    """AWS WAF's model."""

    def __init__(self) -> None:
        self._service = Session().get_service_model("wafv2")
        forms = {name: self._service.shape_for(name).metadata for name in CHECKED}
        self._forms = {name: (form, _compiled(form["pattern"])) for name, form in forms.items()}

    def check(self, action: str, data: Data) -> None:
        """Refuse a call with a name or a description, at any depth, that WAF would not take.

        Raises:
            ApiError: with the code that AWS WAF would answer.
        """
        for field, kind, text in _texts(self._service.operation_model(action).input_shape, data):
            form, pattern = self._forms[kind]
            place = field[0].lower() + field[1:]
            if not form["min"] <= len(text) <= form["max"]:
                raise unfit(place, text, f"Member must have length between {form['min']} and {form['max']}")
            if not pattern.fullmatch(text):
                raise unfit(place, text, f"Member must satisfy regular expression pattern: {form['pattern']}")


def _compiled(pattern: str) -> re.Pattern[str]:
    unicode, ours = _LETTERS_AND_BLANKS
    return re.compile(pattern.replace(unicode, ours)) if unicode in pattern else re.compile(pattern, re.ASCII)


def _texts(shape: Shape | None, given: Any, field: str = "") -> Iterator[tuple[str, str, str]]:
    """Find what is to be checked: the field, the name of its form, and what is given there."""
    if isinstance(shape, StructureShape) and isinstance(given, dict):
        for name, member in shape.members.items():
            if name in given or (name in shape.required_members and member.name in CHECKED):
                yield from _texts(member, given.get(name, ""), name)
    elif isinstance(shape, ListShape) and isinstance(given, list):
        # Only what holds structures can hold names: a full set's addresses are not walked through.
        if isinstance(shape.member, StructureShape):
            for each in given:
                yield from _texts(shape.member, each, field)
    elif shape is not None and shape.name in CHECKED:
        yield field, shape.name, str(given)
