"""What gevent and eventlet leave undone when they patch a program that has loaded boto3 before."""

import sys


def finish_ssl() -> None:
    """Let boto3's HTTP client make the TLS contexts of the patched `ssl`.

    It holds the older class, whose properties find the newer one under its name, and recur without end
    (gevent/gevent issue 1016).
    """
    ssl = sys.modules.get("ssl")
    if ssl is None:
        return
    older = ssl.SSLContext.__mro__[1:]
    for name, module in list(sys.modules.items()):
        if name.startswith(("urllib3.", "botocore.")) and getattr(module, "SSLContext", None) in older:
            setattr(module, "SSLContext", ssl.SSLContext)  # noqa: B010 - mypy knows no such name of a module
