"""A gate in front of AWS: once it is shut, no call leaves any more, whatever thread makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.errors import Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient


class Gate:
    """Lets clients call until it is shut."""

    def __init__(self) -> None:
        self._is_shut = False

    def watch(self, client: BaseClient) -> None:
        """Stand in front of each try of a call: one that is under way is not tried again, either."""
        client.meta.events.register("before-send", self._refuse)

    def shut(self) -> None:
        """Let nothing through from now on."""
        self._is_shut = True

    def _refuse(self, **_: Any) -> None:
        if self._is_shut:
            raise Unavailable("no call to AWS is made any more: who asked for it was answered already")
