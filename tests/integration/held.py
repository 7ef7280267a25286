"""A principal of this process, who has one policy."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.integration.provisioning import Cloud


@contextmanager
def held_to(cloud: Cloud, policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Call as a principal with this policy; answer its session token."""
    token = f"role-{cloud.account}"
    cloud.aws.edge.permit(token, policy)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SESSION_TOKEN", token)
        yield token
    cloud.aws.edge.permit(token, None)
