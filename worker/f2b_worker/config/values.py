"""How a value of a setting may be written, and what is refused with it."""

from __future__ import annotations

import re

from f2b_worker.config.cores import usable_cores

PROCESSES_MAX = 64
TOKEN_CHARACTERS_MIN = 16
_TOKEN_NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


def split(value: object) -> object:
    """Read a list that is written with commas, as a variable has it."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (tuple, list)) and all(isinstance(each, str) for each in value):
        return split(",".join(value))
    return value


def bearer_tokens(value: object) -> object:
    """Read tokens with white space between them; what would open the port to many is refused, and not shown."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (tuple, list)) or not all(isinstance(each, str) for each in given):
        return value
    for text in given:
        if not text.strip():
            raise ValueError("is empty, which would open the port to all: give a token, or leave it out")
        if "," in text:
            raise ValueError("holds a comma, which no token does: write a space between two tokens")
    tokens = tuple(token for text in given for token in text.split())
    shortest = min(map(len, tokens), default=TOKEN_CHARACTERS_MIN)
    if shortest < TOKEN_CHARACTERS_MIN:
        raise ValueError(
            f"one has {shortest} characters and can be guessed: give {TOKEN_CHARACTERS_MIN} or more, such as "
            "those of: openssl rand -hex 32"
        )
    return tokens


def named_tokens(value: object) -> object:
    """Read tokens with the names that the audit shows, `NAME:TOKEN`; no token is shown in an error."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (tuple, list)) or not all(isinstance(each, str) for each in given):
        return value
    tokens = tuple(token for text in given for token in text.split())
    for each in tokens:
        name, colon, token = each.partition(":")
        if not colon or not _TOKEN_NAME.fullmatch(name):
            raise ValueError(
                "write NAME:TOKEN, a space between two; a name has 1 to 64 characters of A-Z a-z 0-9 . _ @ + -"
            )
        if len(token) < TOKEN_CHARACTERS_MIN:
            raise ValueError(
                f"the token of {name} has {len(token)} characters and can be guessed: give {TOKEN_CHARACTERS_MIN} "
                "or more, such as those of: openssl rand -hex 32"
            )
    return tokens


def name_and_token(text: str) -> tuple[str, str]:
    """Part one of the tokens that `named_tokens` read."""
    name, _, token = text.partition(":")
    return name, token


def age_ms(value: object) -> int | None:
    """Read how old something may be; None is any age."""
    from f2b_worker.domain.durations import parse_duration_ms  # noqa: PLC0415 - the help of f2b needs no jails

    return parse_duration_ms(value) or None


def one_a_core(value: object) -> object:
    """Read "cores" as one for each core, 64 at most."""
    return min(PROCESSES_MAX, usable_cores()) if value == "cores" else value


def is_on(value: object) -> bool:
    """Tell whether a switch is on, in the words that pydantic takes."""
    return str(value).lower() in {"1", "true", "t", "yes", "y", "on"}


def old_level(value: object) -> object:
    """Read a level as the old service spelt it, too."""
    level = value.lower() if isinstance(value, str) else value
    return {"warn": "warning", "trace": "debug", "critical": "error", "fatal": "error"}.get(str(level), level)


def unbroken(name: str | None) -> str | None:
    """Refuse white space in a name: a variable that was made from a file often ends with a line break."""
    if name and any(each.isspace() or not each.isprintable() for each in name):
        raise ValueError(f"{name!a} holds a space, a line break or the like, which no such name does")
    return name


def unbroken_each(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse white space in any of several names."""
    for name in names:
        unbroken(name)
    return names


def standard_queue(queue: str | None) -> str | None:
    """Refuse a FIFO queue: SQS takes no other queue of such a name, nor any message without a group there."""
    if queue and queue.rstrip("/").endswith(".fifo"):
        raise ValueError(
            f"{queue} is a FIFO queue, where one bad message holds up all others of its group, and "
            "senders have to name a group: use a standard queue"
        )
    return queue
