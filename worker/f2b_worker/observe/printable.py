"""Text of others, from messages and tables, on its way to a terminal or a log: it steers neither."""

from __future__ import annotations

import json
from typing import Any


def printable(text: str, *, keep: str = "") -> str:
    r"""Write each character that cannot be seen as Python does: `\x1b`, `\u202e`, `\n`.

    These are the control characters, which move the cursor or write the clipboard, and those that turn the
    direction of writing, by which one address looks like another.

    Args:
        text: Of whomever.
        keep: Such characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join([each if each.isprintable() or each in keep else ascii(each)[1:-1] for each in text])


def printable_json(value: object, **settings: Any) -> str:
    """Write JSON in ASCII as `json.dumps` does, with DEL escaped, too."""
    return json.dumps(value, **settings).replace("\x7f", "\\u007f")
