"""Scripts, styles and pictures: read once, and named by their hash, so that browsers need to ask only once."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple

FOLDER = Path(__file__).parent / "static"
HASH_CHARACTERS = 12

_KINDS = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".ico": b"image/x-icon",
    ".txt": b"text/plain; charset=utf-8",
}
"""What is served: a file of another kind in the folder is not."""


class StaticFile(NamedTuple):
    """A file as it is served.

    Attributes:
        kind: Its media type.
        body: What is in it.
        mark: The beginning of its hash.
    """

    kind: bytes
    body: bytes
    mark: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Read all files, by their names below the folder."""
    return {
        str(PurePosixPath(path.relative_to(FOLDER))): _read(path)
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _KINDS and path.is_file()
    }


def static_url(name: str) -> str:
    """Answer the URL of a file, under which a browser may keep it for ever.

    Raises:
        KeyError: If there is no such file: a template names what is not shipped.
    """
    return f"/static/{name}?v={static_files()[name].mark}"


def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    return StaticFile(_KINDS[path.suffix], body, sha256(body).hexdigest()[:HASH_CHARACTERS])
