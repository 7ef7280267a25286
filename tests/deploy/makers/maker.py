"""What a maker of resources is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tests.deploy.shapes import arguments

if TYPE_CHECKING:
    from tests.deploy.template import Known


class HasClients(Protocol):
    """The clients of the account and Region in which a stack is made."""

    def __getitem__(self, service: str) -> Any: ...


class Maker(Protocol):
    """Makes the resources of one type."""

    def make(self, clients: HasClients, properties: dict[str, Any], /) -> Known:
        """Make one."""

    def asked(self, clients: HasClients, properties: dict[str, Any], /) -> dict[str, Any]:
        """Spell its properties as the service's API does."""

    def read(self, clients: HasClients, known: Known, /) -> dict[str, Any]:
        """Read it back from the service."""


class ByOneCall:
    """What all makers have in common whose properties are the arguments of one operation."""

    service: str
    operation: str

    def asked(self, clients: HasClients, properties: dict[str, Any]) -> dict[str, Any]:
        """Hold the properties against the operation."""
        return arguments(clients[self.service], self.operation, properties)


def last_part(arn: str) -> str:
    """Name what an ARN with slashes names."""
    return arn.rpartition("/")[2]
