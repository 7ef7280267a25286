"""The tables of the state file.

    offenders      the unused hits, the last ban, when it was lifted, and the number of its last change
    history        every ban with its evidence
    inbox          message bodies that are stored and not yet judged
    dead_letters   what was refused, and why
    notes          what the enforcer must not forget
    acts           what somebody did by hand
    acts_on        on whom, and what ban it ended; in the row of nobody, how it was done
    allowed        the allowlist of run time
    control        pauses, how often and when somebody asked to read the files again, the worker's sign of life
    tally          the numbers over time: what was counted in an hour
    counters       how many changes of bans there were, and of allowlist and control
    schema         the version, and the oldest one whose workers may work with the file

A file is made in the first format, and brought up to date as any older one is.
"""

from __future__ import annotations

FIRST = """
CREATE TABLE offenders (
    key TEXT NOT NULL, jail TEXT NOT NULL, hits TEXT NOT NULL, ban TEXT, revision INTEGER NOT NULL DEFAULT 0,
    changed INTEGER, kept_until_day INTEGER NOT NULL, PRIMARY KEY (key, jail)
) WITHOUT ROWID;
CREATE INDEX offenders_changed ON offenders (changed) WHERE changed IS NOT NULL;
CREATE INDEX offenders_kept ON offenders (kept_until_day);
CREATE TABLE history (
    key TEXT NOT NULL, jail TEXT NOT NULL, start_ms INTEGER NOT NULL, ban TEXT NOT NULL, evidence TEXT NOT NULL,
    kept_until_day INTEGER NOT NULL, PRIMARY KEY (key, jail, start_ms)
) WITHOUT ROWID;
CREATE INDEX history_kept ON history (kept_until_day);
CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, sent_at_ms INTEGER NOT NULL);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    message_id TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE notes (
    region TEXT NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (region, name)
) WITHOUT ROWID;
"""
"""The first format."""

SECOND = (
    "ALTER TABLE offenders ADD COLUMN lifted_ms INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE acts (
        id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, verb TEXT NOT NULL, what TEXT NOT NULL,
        jail TEXT NOT NULL, reason TEXT NOT NULL, number INTEGER NOT NULL, kept_until_day INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX acts_at ON acts (at_ms)",
    "CREATE INDEX acts_kept ON acts (kept_until_day)",
    # The place is never given twice: by it a worker finds what was done since it last looked.
    """
    CREATE TABLE acts_on (
        place INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, jail TEXT NOT NULL, act TEXT NOT NULL,
        ended TEXT, kept_until_day INTEGER NOT NULL, UNIQUE (act, key, jail)
    )
    """,
    "CREATE INDEX acts_on_key ON acts_on (key)",
    "CREATE INDEX acts_on_kept ON acts_on (kept_until_day)",
    """
    CREATE TABLE allowed (
        network TEXT PRIMARY KEY, until_ms INTEGER, comment TEXT NOT NULL, who TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE TABLE control (name TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID",
    # What is stored as text, or larger than any counter, was put there by somebody else.
    """
    INSERT INTO counters
    SELECT 'changes', coalesce(max(changed), 0) FROM offenders WHERE changed <= 9007199254740992
    """,
    "INSERT INTO counters VALUES ('orders', 0)",
)
"""What makes the second of the first: lifts, and all that people do by hand."""

THIRD = (
    """
    CREATE TABLE tally (
        hour_ms INTEGER NOT NULL, name TEXT NOT NULL, numbers TEXT NOT NULL, PRIMARY KEY (hour_ms, name)
    ) WITHOUT ROWID
    """,
)
"""What makes the third of the second: the numbers over time. Who knows the second only works on without them."""
