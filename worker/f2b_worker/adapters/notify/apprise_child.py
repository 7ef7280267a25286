"""The process that Apprise runs in: reads a notice from standard input, and says of each URL what is wrong."""

from __future__ import annotations

import json
import logging
import sys

from f2b_worker.adapters.notify.apprise import MISSING

UNKNOWN = "is no URL of Apprise"
REFUSED = "did not take it"


def main() -> int:
    """Send it; answer the exit code."""
    given = json.load(sys.stdin)
    try:
        import apprise  # noqa: PLC0415 - it may not be installed, and says so in one way only
    except ImportError:
        return MISSING
    logging.disable(logging.CRITICAL)  # its lines hold URLs
    outcomes = []
    for url in given["urls"]:
        one = apprise.Apprise()
        if not one.add(url):
            outcomes.append(UNKNOWN)
            continue
        if "overflow=" not in url:
            # Else Apprise sends whole what is too long for a service, which refuses it. Discord takes 2,000
            # characters.
            for service in one:
                service.overflow_mode = apprise.OverflowMode.TRUNCATE
        # Named as plain text it is escaped for whoever takes HTML or Markdown; else it is passed on as it is.
        taken = one.notify(
            body=given["body"],
            title=given["title"],
            notify_type=given["type"],
            body_format=apprise.NotifyFormat.TEXT,
        )
        outcomes.append("" if taken else REFUSED)
    sys.stdout.write(json.dumps(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
