"""Properties of CloudFormation as arguments of an API: botocore's model says their spelling and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OF_TYPE: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: str(value).lower() if isinstance(value, bool) else str(value),
    "integer": int,
    "long": int,
    "double": float,
    "float": float,
    "boolean": lambda value: {"true": True, "false": False}[str(value).lower()],
}
"""CloudFormation takes "90" for 90, and "true" for true."""


class UnknownPropertyError(Exception):
    """The API knows no such argument."""


def arguments(client: Any, operation: str, properties: Any) -> dict[str, Any]:
    """Spell properties as an operation of the API does, and hold them against its model.

    Raises:
        UnknownPropertyError: If it has no argument of a property's name, in whatever case.
        ValueError: If one is missing, or is not of its type.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    spelt: dict[str, Any] = as_shape(shape, properties, operation)
    report = ParamValidator().validate(spelt, shape)
    if report.has_errors():
        raise ValueError(f"{operation}: {report.generate_report()}")
    return spelt


def as_shape(shape: Shape, value: Any, place: str) -> Any:
    """Give a value the spelling and the type of a shape."""
    if isinstance(shape, StructureShape):
        members = {name.lower(): name for name in shape.members}
        if unknown := [name for name in value if name.lower() not in members]:
            raise UnknownPropertyError(f"{place} has no {', '.join(unknown)}")
        spelt = {members[name.lower()]: each for name, each in value.items()}
        return {name: as_shape(shape.members[name], each, f"{place}.{name}") for name, each in spelt.items()}
    if isinstance(shape, ListShape):
        return [as_shape(shape.member, each, place) for each in value]
    if isinstance(shape, MapShape):
        return {str(key): as_shape(shape.value, each, place) for key, each in value.items()}
    return _OF_TYPE[shape.type_name](value)


def differences(asked: Any, found: Any, place: str = "") -> list[str]:
    """Say where *found* lacks something of what was *asked* for, or has it otherwise; it may have more."""
    return list(_differences(asked, found, place))


def _differences(asked: Any, found: Any, place: str) -> Iterator[str]:
    if isinstance(asked, dict) and isinstance(found, dict):
        for name, each in asked.items():
            if name in found:
                yield from _differences(each, found[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}: is not there"
    elif isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        for number, (one, other) in enumerate(zip(asked, found, strict=True)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif asked != found:
        yield f"{place}: {found!r} instead of {asked!r}"
