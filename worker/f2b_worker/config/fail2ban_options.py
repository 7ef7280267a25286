"""What to do about those of fail2ban's jail options that f2b does not have."""

from __future__ import annotations

_LOG = (
    "f2b-report --tail LOG --failregex @FILTER.conf --jail JAIL follows a log where it is written (docs/logs.md)"
)
_LOG_FORMAT = f"f2b-report finds out by itself: {_LOG}"
NO_COMMAND = "bans go into the WAF IP sets of --ip-set, or of the jail's blocklist, and no command is run"
_RULE = "a WAF rule has no ports: the rule in the web ACL that uses the IP sets says which requests it is for"
_MAIL = "write who is told of bans as [notices.NAME], see docs/how-to/notices.md"
_CACHE = "nothing is cached, because no command is run"
ADVICE = {
    **dict.fromkeys(("action", "banaction", "banaction_allports", "blocktype", "returntype"), NO_COMMAND),
    **dict.fromkeys(("port", "protocol", "chain"), _RULE),
    **dict.fromkeys(("destemail", "sender", "mta", "sendername", "fail2ban_agent"), _MAIL),
    **dict.fromkeys(("failregex", "ignoreregex", "filter", "logpath", "prefregex", "mode"), _LOG),
    **dict.fromkeys(("logencoding", "datepattern"), _LOG_FORMAT),
    **dict.fromkeys(("backend", "skip_if_nologs", "systemd_if_nologs"), f"nothing is watched on a host: {_LOG}"),
    "maxlines": "a failure is one line: write a failregex for the one that counts",
    "logtimezone": "a time without a zone is in that of the machine that reads the log: set TZ for f2b-report",
    "journalmatch": "the journal is not read: let journald forward to a file, or report from the application",
    "usedns": "host names are never resolved: the owner of a name could have others banned",
    "ignorecommand": "no command is run: list networks in ignoreip, also as file:LIST, or do not report them",
    "ignorecache": _CACHE,
    "maxmatches": "f2b keeps the infractions that each ban is based on",
    "bantime.formula": 'no formulas: write the multiples of bantime as "bantime.multipliers" = [1, 2, 4, 8]',
}
