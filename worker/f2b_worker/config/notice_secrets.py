"""What a target's address may be: checked when the file is read; in a variable, when it is used."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import SplitResult, urlsplit

from f2b_worker.domain.addresses import is_loopback

SECRET_PREFIX = "whsec_"  # noqa: S105 - how every such secret begins
SECRET_BYTES = range(24, 65)
"""As Standard Webhooks has it: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""

_APPRISE_URL = re.compile(r"([A-Za-z0-9]{1,32})://")


def webhook_url(text: str) -> SplitResult:
    """Take a URL apart that notices may be sent to; the URL is in no error, for it may hold a secret.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if not text.isascii() or any(each.isspace() or not each.isprintable() for each in text):
        raise ValueError("holds a space, or a character that no URL has: write it in percent signs")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL: write it as https://HOST/PATH") from None
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ValueError("is no URL of a web server: write it as https://HOST/PATH")
    if parts.username is not None:
        raise ValueError("holds a user before the @, which f2b sends to nobody: leave it out")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("begins with http://, which everybody on the way can read: use https://")
    return parts


def apprise_scheme(url: str) -> str:
    """Name the scheme of a URL of Apprise, which says where it leads; all else in it may be a secret.

    Raises:
        ValueError: If it is none; it is not shown.
    """
    found = _APPRISE_URL.match(url)
    if not found:
        raise ValueError("is no URL of Apprise: write it as SCHEME://…, such as mailto://…")
    return found[1]


def webhook_key(text: str) -> bytes:
    """Read the key of a signature.

    Raises:
        ValueError: If it is none; it is not shown.
    """
    coded = text.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES or coded == text:
        raise ValueError(
            f"is no secret of Standard Webhooks: write {SECRET_PREFIX} and what this prints:"
            " openssl rand -base64 32"
        )
    return key
