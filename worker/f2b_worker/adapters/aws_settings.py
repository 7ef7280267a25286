"""What is wrong with AWS's own settings, where no client can be made, or none that could ever call."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError
from botocore.utils import get_environ_proxies
from urllib3.util import parse_url

from f2b_worker import errors
from f2b_worker.adapters.answers import ABOUT_CREDENTIALS, ODD, aws_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECRETS = ("AWS_ACCESS_KEY", "AWS_SECRET", "AWS_SESSION_TOKEN")
_ELSEWHERE = "the variables AWS_… and AWS's configuration files"
_SWITCHES = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")


@contextmanager
def making(what: str) -> Iterator[None]:
    """Take whatever keeps a client from being made for a wrong setting of AWS's own.

    Raises:
        Misconfigured: It names the environment variable whose value the error names.
        AccessDenied: If there are no credentials: they are looked for here.
    """
    with aws_errors(what):
        try:
            yield
        except ABOUT_CREDENTIALS:
            raise
        except (BotoCoreError, *ODD, OSError) as error:
            raise errors.Misconfigured(f"{what}: {_blamed(str(error))}") from error


def _blamed(text: str) -> str:
    """Name the variable that the text names, or whose value it quotes: the longest, for others may be a part."""
    spoken = [name for name in os.environ if name.startswith("AWS_") and name in text.split()]
    if spoken:
        return f"{_squeezed(text)}; check {', '.join(sorted(spoken))}"
    named = _quoted_in(text) or _quoted_in(text, squeezed=True)
    longest = max(named.values(), key=len, default="")
    where = ", ".join(sorted(name for name, value in named.items() if len(value) == len(longest)))
    if longest != _squeezed(longest):
        where += " for white space"
    return f"{_squeezed(text)}; check {where or _ELSEWHERE}"


def _quoted_in(text: str, *, squeezed: bool = False) -> dict[str, str]:
    form = _squeezed if squeezed else str
    settings = {
        name: form(value)
        for name, value in os.environ.items()
        if name.startswith(("AWS_", "REQUESTS_")) and not name.startswith(_SECRETS)
    }
    return {
        name: value
        for name, value in settings.items()
        if value and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", form(text))
    }


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def authorities_of(session: Any) -> str | None:
    """Name the file of certificate authorities that botocore uses (botocore.endpoint, `_get_verify_value`).

    It is the profile's or that of AWS_CA_BUNDLE, then that of REQUESTS_CA_BUNDLE; None is the one that comes with
    botocore.
    """
    bundle: str | None = session._session.get_config_variable("ca_bundle")  # noqa: SLF001 - nobody else knows
    return bundle or os.environ.get("REQUESTS_CA_BUNDLE")


def check_session(session: Any) -> None:
    """Look at what botocore would find wrong with the first call only, which is then tried again.

    Raises:
        OSError: If a file that the settings name cannot be used.
        ValueError: If a setting is wrong.
    """
    _check_authorities(session)
    _check_identity()
    _check_switches()
    _check_mfa(session)


def _check_authorities(session: Any) -> None:
    """Read the file of certificate authorities: botocore reads it with the first call, which is then tried again.

    Raises:
        OSError: If it is not there, holds no certificate, or is a folder, which other programs take.
    """
    bundle = authorities_of(session)
    if bundle:
        try:
            seen = Path(bundle).stat()
            _read_authorities(bundle, seen.st_ino, seen.st_mtime_ns, seen.st_size)
        except OSError as error:
            remedy = "; name one file with all of the certificates" if Path(bundle).is_dir() else ""
            said = error.strerror or error
            raise OSError(f"the CA bundle {bundle} cannot be used: {said}{remedy}") from error


@lru_cache(maxsize=1)
def _read_authorities(bundle: str, *_as_it_is: int) -> None:
    """Read a file once for all clients of a process, unless it changed: a worker makes seven, at 18 ms."""
    ssl.create_default_context(cafile=bundle)


def _check_identity() -> None:
    """Read the token that a platform gives: botocore reads it with the first call, which is then tried again.

    Raises:
        OSError: If it is not there.
        ValueError: If it is no text.
    """
    file = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if file and not os.environ.get("AWS_ACCESS_KEY_ID"):  # botocore takes keys first
        try:
            Path(file).read_text()
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no text"
            raise OSError(f"the token file {file} cannot be used: {said}") from error


def _check_switches() -> None:
    """Refuse a misspelt "true": botocore takes it for "false", and would call an endpoint without FIPS.

    Raises:
        ValueError: If one is neither.
    """
    for name in _SWITCHES:
        value = os.environ.get(name, "")
        if value.lower() not in {"", "true", "false"}:
            raise ValueError(f"{name} is {value!r}, neither true nor false")


def _check_mfa(session: Any) -> None:
    """Refuse a role that needs somebody who types a code: botocore asks for one with each call.

    Raises:
        ValueError: If the profile, or one that it takes its credentials from, is so.
    """
    if os.environ.get("AWS_ACCESS_KEY_ID"):  # botocore takes keys first
        return
    profiles: Mapping[str, Mapping[str, str]] = session._session.full_config["profiles"]  # noqa: SLF001 - as above
    first, seen = session.profile_name, set[str]()
    name = first
    while name and name in profiles and name not in seen:
        seen.add(name)
        profile = profiles[name]
        if profile.get("role_arn") and profile.get("mfa_serial"):
            raise ValueError(
                f"mfa_serial of the profile {name} asks for a code, and nobody types it here; take credentials "
                f'that hold it: eval "$(aws configure export-credentials --profile {first} --format env)"'
            )
        name = profile.get("source_profile")


def check_way(client: Any, what: str) -> None:
    """Read the URLs by which a client goes: botocore does so with the first call, which is then tried again.

    Raises:
        Misconfigured: If its endpoint, or the proxy to it, is no URL that can be called.
    """
    endpoint: str = client.meta.endpoint_url
    if not _is_http(endpoint):
        raise ValueError(f"Invalid endpoint: {endpoint}")
    scheme = endpoint.partition("://")[0].lower()
    proxy: str | None = get_environ_proxies(endpoint).get(scheme)
    if proxy and not _is_proxy(proxy):
        names = [name for name in os.environ if name.lower() == f"{scheme}_proxy"]
        where = ", ".join(sorted(names)) or "the proxies of this machine"
        # Its value may hold a password.
        raise errors.Misconfigured(f"{what}: the proxy is no URL like http://HOST:PORT; check {where}")


def _is_proxy(text: str) -> bool:
    """Tell whether botocore can use a proxy: by HTTP or HTTPS, or without a scheme, which it takes for HTTP."""
    return _is_http(text if "://" in text else f"http://{text.removeprefix('//')}")


def _is_http(url: str) -> bool:
    try:
        parts = parse_url(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.host)
