"""Makes a stack of a CloudFormation template on the local AWS, resource by resource, by the APIs of the services.

No emulator knows AWS::WAFv2, and those that know the rest leave out what they do not understand (a table's time to
live), and say that all is complete. Here each type has a maker of its own, and one that has none is an error. A
maker calls the service, and reads back by the service's own API what is there now.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Self

from tests.deploy.makers import MAKERS
from tests.deploy.shapes import differences
from tests.deploy.template import Place, Resolver, TemplateError, load, needed_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from localstack.local_aws import LocalAws


class Clients:
    """The clients of one account and Region, each made when it is asked for."""

    def __init__(self, aws: LocalAws, place: Place, closes: ExitStack) -> None:
        self._aws = aws
        self._place = place
        self._closes = closes
        self._made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        if service not in self._made:
            client = self._aws.client(service, account=self._place.account, region=self._place.region)
            self._made[service] = self._closes.enter_context(closing(client))
        return self._made[service]


class Stack:
    """A stack that was made.

    Args:
        aws: The local AWS.
        path: Of the template.
        place: Where it is made.
        given: Parameters that have not their defaults.

    Attributes:
        place: Where it was made.
        given: Its parameters that have not their defaults.
        made: The properties of each resource that was made, by its logical id.
        types: Its type.
        outputs: What the stack answers.
    """

    def __init__(self, aws: LocalAws, path: Path, place: Place, given: Mapping[str, str]) -> None:
        self.place = place
        self.given = given
        self._closes = ExitStack()
        self.clients = Clients(aws, place, self._closes)
        self._resolver = Resolver(load(path), place, given)
        self.made: dict[str, dict[str, Any]] = {}
        self.types: dict[str, str] = {}
        try:
            for name, resource in self._in_order():
                self._make(name, resource)
        except BaseException:
            self._closes.close()
            raise
        self.outputs = self._resolver.outputs()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closes.close()

    def wanted(self) -> set[str]:
        """Name the resources whose condition holds."""
        return set(self._resolver.wanted())

    def _in_order(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each resource after all that it refers to."""
        waiting = self._resolver.wanted()
        while waiting:
            free = [name for name, each in waiting.items() if not _needs(each) & waiting.keys()]
            if not free:
                raise TemplateError(f"these refer to each other in a circle: {', '.join(sorted(waiting))}")
            yield from ((name, waiting.pop(name)) for name in free)

    def _make(self, name: str, resource: dict[str, Any]) -> None:
        kind = resource["Type"]
        if kind not in MAKERS:
            raise TemplateError(f"{name}: nobody here makes {kind}")
        properties = self._resolver.value(resource.get("Properties", {}))
        self._resolver.made[name] = MAKERS[kind].make(self.clients, properties)
        self.made[name] = properties
        self.types[name] = kind

    def ref(self, name: str) -> str:
        """Give what `!Ref` says of a resource."""
        return self._resolver.made[name].ref

    def unlike(self, name: str) -> list[str]:
        """Say in what a resource, read back from its service, is not as its properties have it."""
        maker = MAKERS[self.types[name]]
        found = maker.read(self.clients, self._resolver.made[name])
        return differences(maker.asked(self.clients, self.made[name]), found)


def _needs(resource: Mapping[str, Any]) -> set[str]:
    stated = resource.get("DependsOn", [])
    return {*needed_by(resource.get("Properties", {})), *([stated] if isinstance(stated, str) else stated)}
