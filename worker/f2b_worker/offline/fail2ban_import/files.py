"""Finds fail2ban's files, in the order in which fail2ban reads them, with all that they include."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.offline.fail2ban_import.ini import INCLUDES, Fail2banFileError, Source, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_JAILS, _SERVER = "jail", "fail2ban"


class Found(NamedTuple):
    """The files of an import.

    Attributes:
        sources: In fail2ban's order.
        skipped: A line each about what was named and is not there.
    """

    sources: tuple[Source, ...]
    skipped: tuple[str, ...]


def find_files(named: Sequence[Path]) -> Found:
    """Read what was named: files, patterns that the shell left alone, and folders such as /etc/fail2ban.

    Raises:
        Fail2banFileError: If a file cannot be read.
    """
    sources: list[Source] = []
    skipped: list[str] = []
    for path in named:
        files = _files_of(path)
        if not files:
            skipped.append(f"{path}: {_why_nothing(path)}: skipped")
        for file in files:
            sources += _with_includes(file, (), skipped)
    return Found(tuple(sources), tuple(dict.fromkeys(skipped)))


def action_files(folders: Sequence[Path], name: str) -> list[Source]:
    """Read the files of an action, none if it has none in these folders' action.d."""
    for folder in folders:
        files = _configured(folder / "action.d", name)
        if files:
            return [source for file in files for source in _with_includes(file, (), [])]
    return []


def folders_of(named: Sequence[Path]) -> list[Path]:
    """Say where the action.d of these files may be."""
    folders = [path if path.is_dir() else path.parent for path in named]
    return list(dict.fromkeys(each.parent if each.name == f"{_JAILS}.d" else each for each in folders))


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        return _configured(path, _SERVER) + _configured(path, _JAILS)
    if path.exists():
        return [path]
    return sorted(path.parent.glob(path.name))


def _configured(folder: Path, name: str) -> list[Path]:
    """Name the files of one configuration as fail2ban orders them: a .local after every .conf."""
    wanted: list[Path] = []
    for end in ("conf", "local"):
        wanted += [folder / f"{name}.{end}", *sorted((folder / f"{name}.d").glob(f"*.{end}"))]
    return [path for path in wanted if path.exists()]


def _why_nothing(path: Path) -> str:
    if path.is_dir():
        return "no jail.conf or jail.local in it"
    return "nothing matches it" if "*" in path.name else "not there"


def _with_includes(path: Path, seen: tuple[Path, ...], skipped: list[str]) -> Iterator[Source]:
    """Read a file between those that it names as before and after it."""
    source = _read(path)
    includes = parsed(source).get(INCLUDES, {})
    for option in ("before", "after"):
        if option == "after":
            yield source
        for name in filter(None, map(str.strip, includes.get(option, "").splitlines())):
            included = path.parent / name
            if included not in (*seen, path):
                yield from _included(included, (*seen, path), skipped)


def _included(path: Path, seen: tuple[Path, ...], skipped: list[str]) -> Iterator[Source]:
    files = [each for each in dict.fromkeys((path, path.with_suffix(".local"))) if each.exists()]
    if not files:
        skipped.append(f"{path}: not there, although {seen[-1].name} includes it: skipped")
    for file in files:
        yield from _with_includes(file, seen, skipped)


def _read(path: Path) -> Source:
    is_server = path.stem == _SERVER or path.parent.name == f"{_SERVER}.d"
    try:
        return Source(str(path), path.read_text("utf-8"), is_server=is_server, knows_includes=True)
    except OSError as error:
        raise Fail2banFileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Fail2banFileError(f"{path}: not UTF-8: {error}") from error
