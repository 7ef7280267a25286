"""What AWS's services look like, from the files that come with botocore, read in a fraction of botocore's time."""

from __future__ import annotations

import gzip
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.loaders import JSONFileLoader, Loader

if TYPE_CHECKING:
    from collections.abc import Callable

_OPENERS: tuple[tuple[str, Callable[..., Any]], ...] = ((".json", open), (".json.gz", gzip.open))


class _Files(JSONFileLoader):
    """Reads JSON without botocore's ordered dictionaries: Python's own keep their order, too."""

    def load_file(self, file_path: str) -> Any:
        """Read a file by its name without an ending; None if it is not there."""
        for ending, opened in _OPENERS:
            with suppress(FileNotFoundError), opened(f"{file_path}{ending}", "rb") as file:
                return json.loads(file.read())
        return None


class _Models(Loader):
    """Finds and reads the descriptions of services.

    botocore looks into the folders of all its 400 services before it reads one of them.
    """

    FILE_LOADER_CLASS = _Files

    def list_available_services(self, type_name: str) -> list[str]:
        """Name all services; whether one has such a description shows when it is read."""
        del type_name
        folders = filter(Path.is_dir, map(Path, self.search_paths))
        return [each.name for folder in folders for each in folder.iterdir()]


def open_models(data_path: str | None) -> Loader:
    """Make what reads them.

    Args:
        data_path: Further folders, as AWS_DATA_PATH names them.
    """
    folders = data_path.split(os.pathsep) if data_path else []
    return _Models(extra_search_paths=[str(Path(os.path.expandvars(each)).expanduser()) for each in folders])
