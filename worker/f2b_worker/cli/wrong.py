"""Commands end with click's own line where what somebody asks for cannot be asked for like that."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn what is wrong with a setting into wrong usage of the command that runs.

    Raises:
        click.UsageError: Naming the option, if it is one.
    """
    try:
        yield
    except WrongSetting as error:
        if error.setting:
            raise click.BadParameter(str(error), param_hint=f"--{error.setting}") from error
        raise click.UsageError(str(error)) from error
