"""What to do about the errors of f2b: kinds of failures, and lines that do not say it themselves."""

from __future__ import annotations

import re

from f2b_worker import errors

_WAIT = "nothing, if it ends by itself"

KINDS: dict[type[Exception], str] = {
    errors.Throttled: f"{_WAIT}; else raise the limit at AWS, or see who else uses it up",
    errors.Unavailable: f"{_WAIT}; else look at the network, the proxy and the state of AWS",
    errors.FileLost: "put the state file back, then start the worker ([standalone.md](standalone.md#the-file))",
    errors.LockLost: f"{_WAIT}; else see who else writes into the IP set",
    errors.AccessDenied: "give the role [its policy](iam/README.md), which the line names, or good credentials",
    errors.CredentialsAway: f"{_WAIT}; else look at what gives out the credentials: a role, a token, a profile",
    errors.Missing: "make it with `f2b provision`, or correct its name or the Region that the line names",
    errors.BadEntry: "tell us which address: f2b writes only what WAF documents",
    errors.Rejected: "remove what the line names: AWS gives the reason in its own words",
    errors.Misconfigured: "correct the variable, or the AWS configuration file, that the line names",
    errors.Invalid: "look at the item or the message that the line names",
    errors.Unreadable: "do what the line says; see [what cannot be read](blocklists.md#what-cannot-be-read)",
    errors.RefusedError: "do what the line says, if you mean it",
    errors.StuckError: "nothing: the process ends with code 4, and a supervisor starts it again",
    errors.StartError: "correct what the line names, then start it again",
    errors.GaveUp: "start it again: AWS, or who gives out the credentials, was away",
}
"""By class, what somebody does; f2b itself tries again whatever is retryable."""

_RACE = "nothing: it is tried again; if it stays, see who else changes the table"
_LATER = (
    "nothing: it is tried again; if it stays, DynamoDB throttles: see [capacity.md](capacity.md#where-it-stops)"
)
_FILE = "look at its name, its rights, and what is in it"
_STATE_FILE = "put it back, or a copy; see [the file](standalone.md#the-file)"
_CREDENTIALS = "give the process a role, or set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"
_PROXY = "look which proxy or other server answers in AWS's place: `AWS_ENDPOINT_URL`, `HTTPS_PROXY`, DNS"
_MAPPING = "let an event source mapping of one standard queue call the function ([Lambda](how-to/lambda-judge.md))"
_STOPS = "nothing: the shim stops; who reported comes again"
_AWAY = "nothing, if it ends by itself; else look at the network and the state of SQS"

LINES: dict[str, str] = {
    "…: the answer has not the form of AWS's (…); is it AWS that answers?": _PROXY,
    "…: the answer's … is a …, no …; is it AWS that answers?": _PROXY,
    "…: the answer has no …; is it AWS that answers?": _PROXY,
    "listing …: the answer's … are no summaries; is it AWS that answers?": _PROXY,
    "… (…); docs/iam/kms.json has the policy for a key of yours": "add that policy, or switch the key on",
    "…; … has the policy that is needed": "add that policy to the role ([iam](iam/README.md))",
    "…; asked in …": "make it there with `f2b provision`, or correct its name or the Region",
    "reading the event: it has no Records; an event source mapping of an SQS queue makes such events": _MAPPING,
    "reading the event: a record is not of aws:sqs; an event source mapping of an SQS queue makes such events": (
        _MAPPING
    ),
    "reading the event: a messageId is empty, or its messages are not of one queue; an event source mapping of an"
    " SQS queue makes such events": _MAPPING,
    "reading the event: it is of a FIFO queue, where one bad message holds up others: use a standard queue": (
        _MAPPING
    ),
    "no event is being judged": "nothing: the function's time ran out before; what is left comes again",
    "no call to AWS is made any more: who asked for it was answered already": (
        "nothing: the function had answered that what is left comes again"
    ),
    "…: it changed each time": _RACE,
    "changing bans by hand: others changed them in each of 20 rounds": _RACE,
    "reading what an act is about: some keys were left": _LATER,
    "…: the ban log refused 20 numbers in a row": _RACE,
    "the ban log refused 20 numbers in a row": _RACE,
    "logging an act: the ban log was begun anew": "nothing: it is tried again",
    "logging bans: the ban log was begun anew": "nothing: it is tried again",
    "reading the bans: DynamoDB leaves some of the ban log unread": _LATER,
    "reading the ban log: DynamoDB leaves … items of the snapshot unread": _LATER,
    "publishing a snapshot of the bans: others are quicker each time": _RACE,
    "another repair began at the same moment, and does the work": "wait for the other one",
    "another repair began after this one, and does the work": "wait for the other one",
    "…: DynamoDB leaves keys unread": _LATER,
    "the ledger has not answered yet: try again": _LATER,
    "what follows the fleet has ended: …": "start the dashboard again, and tell us: a defect of f2b",
    "logging bans: they were read too long ago, each time": _LATER,
    "cannot use state file …: …": _FILE,
    "…: the state file is damaged: …": _STATE_FILE,
    "the state file is damaged: …": _STATE_FILE,
    "there is no state file …: f2b-worker --standalone makes it": "start the worker first, or correct `--state`",
    "cannot open …: …": _FILE,
    "cannot open …: ……": _FILE,
    "cannot open state file …: …": _FILE,
    "state file … is in use by another f2b-worker; one at a time": "stop the other one first",
    "banning: people changed bans by hand in the same moment, each time": "nothing: it is tried again",
    "… is another file now: somebody replaced it": _STATE_FILE,
    "… was truncated or damaged": _STATE_FILE,
    "… was deleted or moved (…)": _STATE_FILE,
    "… is …. A state file and those beside it are plain files": "name a plain file with `--state`",
    "AWS credentials: none were found": _CREDENTIALS,
    "SQS: there are no AWS credentials": _CREDENTIALS,
    "queue … has no dead-letter queue": "run `f2b provision`, which adds one",
    "sending to the dead-letter queue: the answer names a letter neither as stored nor as failed": _PROXY,
    "sending to the dead-letter queue: …": _AWAY,
    "…: … failed, the first with …": _AWAY,
    "not sent": _AWAY,
    "…: no answer within … s": _AWAY,
    "receiving infractions: no answer of the queue for … s": _AWAY,
    "sending infractions: the queue has not answered in time": _AWAY,
    "sending infractions: not sent within … s: this process is too busy, or earlier sends are not answered": (
        "nothing, if it ends by itself; else look at the CPU of the shim, then at the state of SQS"
    ),
    "sending infractions: given up before they were sent: this process stops": _STOPS,
    "sending infractions: given up before the queue answered": _STOPS,
    "IP set …: neither it nor … exists in …, …": "make it with `f2b provision`, or correct the name or the Region",
    "…: cannot be read: …": _FILE,
    "a name has 1-64 of A-Z a-z 0-9 . _ -": "choose such a name",
    "a ban lasts for a second or longer": "give `--for 1s` or more",
    "no blocklist …: there are …": "name one of those, or add it to the file of `--config`",
    "… is there already: --force overwrites it": "use another name, or `--force`",
    "…: cannot be written: …": "look at the rights of the folder, and its room",
    "--from-log needs at least one --failregex.": "give `--failregex`, fail2ban's own",
    "--wait looks into IP sets, and none of blocklist … is named": "name them: `--ip-set` or `--config`",
    "--state … has no …: that is for the table of a fleet": "name the table with `--table`, without `--state`",
    "the repair is not done; until f2b repair is run again, the IP sets stay as they are: …": "run it again",
    "environment variable … is not a setting of f2b…": "correct its name ([settings](settings.md)), or unset it",
    "…: not TOML: ……": "correct the place that the line names; `f2b check` finds all errors",
    "it changed in each of 50 rounds": _RACE,
    "to count in several processes takes a folder that they may write to, such as /dev/shm: …": (
        "make `/dev/shm` or the temporary folder writable, or use `--processes 1`"
    ),
    "the file: not what cscli decisions list -o json prints, a list": "export them again with that command",
    "not CSV: …": "correct the file, or name its form with `--from`",
    "…: not a database of fail2ban 0.11 or later: …": "name fail2ban's `fail2ban.sqlite3`",
    "…: not JSON: …": "correct the line that it names",
    "line …: not a JSON object": "correct that line",
    "…: the ban of … has no time that can be read: …": "correct that row, or remove it",
    "a standalone worker has no queue: it takes infractions by HTTP, which needs no permission": (
        "leave out `--as producer`"
    ),
    "…; gave up after … s": "start it again; a supervisor does so by itself",
    "the HTTP process …": (
        "a supervisor starts it again; look at the lines before. With exit code -9, give it more memory"
    ),
    "Apprise ended with exit code …, and told nothing": (
        "nothing: it is tried again; if it stays, look whether the machine has memory for it"
    ),
    "Apprise: …": "look at that URL and at its service; `f2b notify test` tries it",
    "command …: cannot be started: …": "correct its path in `command`, or its rights",
    "command …: did not end within … s, and was killed": "nothing: it is tried again; else see why it hangs",
    "command …: no temporary file: …": "make room in the temporary folder of the worker; it is tried again",
    "command …: ……": "mend the program: its last line says why it failed",
    "secret: …": "correct the variable that `secret_env` names",
    "url: …": "correct the variable that `url_env` names",
    "urls: … …": "correct the variable that `urls_env` names",
    "…: answered …": "look at the web server: 410 says that the URL is no more, 401 and 403 that it is another's",
    "…: its certificate is not valid: …": "renew the certificate of the web server, or correct the URL",
    "there is no target ……": "name one that `f2b notify list` shows",
    "…: cannot listen: …": "choose another port or host, or end the other program",
    "F2B_DASHBOARD_TOKEN: …": "correct the variable, as the line says",
    "--uds …: another process listens on it": "name another file, or end the other program",
    "--uds …: …": "name a file in a folder that is there and that f2b may write to; a path has 107 bytes at most",
}
"""By line, as the source has it, what to do; of the others the line itself says it."""

_VERBS = (
    "add ask begin check choose delete export give install leave let make name pack pip put remove run say set"
    " update write"
)
_SAYS_IT = re.compile(rf"\b({'|'.join(_VERBS.split())})\b", re.IGNORECASE)


def says_what_to_do(line: str) -> bool:
    """Tell whether a line asks for something, as each should."""
    return _SAYS_IT.search(line) is not None
