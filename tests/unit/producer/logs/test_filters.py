"""What fail2ban's filters find in the logs of real servers, and when."""
# ruff: noqa: E501 - log lines and their regexes are as long as they are

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from f2b_producer.logs import Counts, FilterError, Found, LogFilter
from f2b_producer.logs.lines import LINE_MAX_CHARACTERS

NOW_S = datetime(2026, 11, 22, 18, 30, tzinfo=UTC).timestamp()
BERLIN_WINTER = timezone(timedelta(hours=1))

SSHD = """\
Nov 22 18:05:09 web-1 sshd[4711]: Failed password for root from 203.0.113.7 port 50022 ssh2
Nov 22 18:05:09 web-1 sshd[4711]: Failed password for invalid user from 192.0.2.1 from 203.0.113.8 port 22 ssh2
Nov  2 08:05:10 web-1 sshd[4712]: Invalid user admin from 2001:db8::7 port 50023
Nov 22 18:05:11 web-1 sshd[4713]: Accepted publickey for git from 203.0.113.9 port 50024 ssh2: RSA SHA256:x
Dec 31 23:59:59 web-1 sshd[4714]: Connection closed by authenticating user root 203.0.113.10 port 50025 [preauth]
2026-11-22T18:05:12.250000+01:00 web-1 sshd[4715]: Failed password for bob from ::ffff:203.0.113.11 port 1 ssh2
Nov 22 18:05:13 web-1 sshd[4716]: Failed password for bob from 203.0.113.12.example.net port 2 ssh2
Nov 22 18:05:14 web-1 sshd[4717]: Failed password for caf\u00e9 from monitor.example.net port 3 ssh2
    continued: Failed password for bob from 203.0.113.13 port 4 ssh2
<38>Nov 22 18:05:15 web-1 sshd[4718]: pam_unix(sshd:auth): authentication failure; uid=0 rhost=203.0.113.14 user=root
"""
NGINX_ACCESS = """\
203.0.113.20 - - [22/Nov/2026:18:05:09 +0000] "GET /.env HTTP/1.1" 404 153 "-" "curl/8.5.0"
2001:db8::20 - bob [22/Nov/2026:18:05:10 +0100] "GET /index.html HTTP/2.0" 200 512 "-" "Mozilla/5.0 (X11; Linux)"
203.0.113.21 - - [22/Nov/2026:18:05:11 -0330] "POST /login HTTP/1.1" 401 12 "https://example.com/login" "Mozilla/5.0"
203.0.113.22 - 2001-01-01T00:00:00Z [22/Nov/2026:18:05:12 +0000] "POST /login?t=2001-01-01T00:00:00Z HTTP/1.1" 401 1
203.0.113.23 - - [22/Nov/2026:18:05:13 +0000] "\\x16\\x03\\x01\\x00" 400 157 "-" "-"
198.51.100.9 - - [22/Nov/2026:18:05:14 +0000] "GET /.git/config HTTP/1.1" 404 153 "-" "uptime-monitor"
scanner.example.net - - [22/Nov/2026:18:05:15 +0000] "GET /.env HTTP/1.1" 404 153 "-" "-"
"""
NGINX_ERROR = """\
2026/11/22 18:05:09 [error] 31#31: *7 limiting requests, excess: 5.5 by zone "login", client: 203.0.113.30, server: a
2026/11/22 18:05:10 [error] 31#31: *8 user "bob": password mismatch, client: 2001:db8::30, server: a, request: "GET /"
2026/11/22 18:05:11 [error] 31#31: *9 open() "/srv/x" failed (2: No such file or directory), client: 203.0.113.31
2026/11/22 18:05:12 [warn] 31#31: *9 client: unknown
"""
APACHE_ERROR = """\
[Sun Nov 22 18:05:09.123456 2026] [auth_basic:error] [pid 9:tid 1] [client 203.0.113.40:50022] AH01617: user bob: bad
[Sun Nov 22 18:05:10 2026] [error] [client 203.0.113.41] user alice not found: /private
[Sun Nov 22 18:05:11.5 2026] [core:info] [pid 9] [client [2001:db8::40]:443] AH00128: File does not exist: /srv/a.php
"""
DOVECOT = """\
Nov 22 18:05:09 mail dovecot: imap-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<bob>, rip=203.0.113.50
2026-11-22 18:05:10,999 mail dovecot: pop3-login: Aborted login (auth failed): user=<>, rip=2001:db8::50, lip=::1
Nov 22 18:05:11 mail dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=203.0.113.51, lip=192.0.2.1
"""
WORDPRESS = """\
203.0.113.60 - - [22/Nov/2026:18:05:09 +0000] "POST /wp-login.php HTTP/1.1" 200 4523 "-" "Mozilla/5.0"
203.0.113.60 - - [22/Nov/2026:18:05:09 +0000] "POST /wp-login.php HTTP/1.1" 302 0 "-" "Mozilla/5.0"
2001:db8::60 - - [22/Nov/2026:18:05:10 +0000] "POST //xmlrpc.php HTTP/1.1" 200 403 "-" "-"
203.0.113.61 - - [22/Nov/2026:18:05:11 +0000] "GET /?author=1 HTTP/1.1" 301 0 "-" "-"
"""
AUDIT = """\
type=USER_AUTH msg=audit(1795370709.123:42): pid=7 uid=0 msg='op=login acct="root" addr=203.0.113.70 res=failed'
1795370710.5 203.0.113.71 TCP_DENIED/403 GET http://example.com/
1795370711 [2001:db8::71]:5022 TCP_DENIED/403
22-11-2026 18:05:12 denied 203.0.113.72
22-Nov-2026 18:05:13.250 denied 203.0.113.73
20:05 denied 203.0.113.74
"""
CORPUS = SSHD + NGINX_ACCESS + NGINX_ERROR + APACHE_ERROR + DOVECOT + WORDPRESS + AUDIT

# (regexes, ignored, the addresses that they find in the whole corpus)
FILTERS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "sshd passwords": (
        [
            r"^\s*\S+ sshd\[\d+\]: Failed password for (?:invalid user )?<F-USER>.*</F-USER> from <HOST> port \d+ ssh2$"
        ],
        [],
        ["203.0.113.7", "203.0.113.8", "203.0.113.11"],
    ),
    "sshd users": ([r"sshd\[\d+\]: Invalid user \S* from <ADDR>(?: port \d+)?$"], [], ["2001:db8::7"]),
    "sshd closed": (
        [r" Connection (?:closed|reset) by authenticating user \S+ <HOST> port \d+ \[preauth\]"],
        [],
        ["203.0.113.10"],
    ),
    "pam": ([r"pam_unix\(\S+\): authentication failure;.* rhost=<HOST>(?:\s|$)"], [], ["203.0.113.14"]),
    "without prefix": ([r"^\s+continued: .* from <HOST>"], [], ["203.0.113.13"]),
    "secrets": (
        [r'^<HOST> \S+ \S+ \[\] "GET /\.(?:env|git)\S* HTTP/[^"]+" 404 '],
        ['"uptime-monitor"$'],
        ["203.0.113.20"],
    ),
    "logins": ([r'(?i)^<ADDR> .* "post /login[^"]*" 401 '], [], ["203.0.113.21", "203.0.113.22"]),
    "no http": ([r'^<IP4> - - \[\] "\\x16[^"]*" 400 '], [], ["203.0.113.23"]),
    "limits": ([r"^\s*\[error\] .* limiting requests, .* client: <HOST>,"], [], ["203.0.113.30"]),
    "nginx passwords": (
        [
            r'^ \[error\] \d+#\d+: \*\d+ user "(?:[^"]+|.*?)":? (?:password mismatch|was not found), client: <HOST>,'
        ],
        [],
        ["2001:db8::30"],
    ),
    "apache": (
        [
            r"^\[\] \[\S+\] (?:\[pid \d+(?::tid \d+)?\] )?\[client <HOST>(?::\d+)?\] (?:AH\d+: )?user \S+(?:: bad| not found)"
            "\n" + r"^\[\] .*\[client <HOST>:\d+\] AH\d+: File does not exist: \S+\.php$"
        ],
        [],
        ["203.0.113.40", "203.0.113.41", "2001:db8::40"],
    ),
    "dovecot": (
        [r"dovecot: \S+-login: .*\(auth failed\b.*\): user=<<F-USER>[^>]*</F-USER>>,(?: .*,)? rip=<HOST>(?:,|$)"],
        [],
        ["203.0.113.50", "2001:db8::50"],
    ),
    "wordpress": (
        [r'^<HOST> .* "POST /+(?:wp-login|xmlrpc)\.php[^"]*" 200 ', r'^<HOST> .* "GET /\?author=\d+ '],
        [],
        ["203.0.113.60", "2001:db8::60", "203.0.113.61"],
    ),
    "audit": ([r"msg=audit\(:\d+\): .* addr=<F-ID>\S+</F-ID> res=failed"], [], ["203.0.113.70"]),
    "squid": ([r"^ <HOST>(?::\d+)? TCP_DENIED/403"], [], ["203.0.113.71", "2001:db8::71"]),
    "twice": (
        [r"(?:addr=<ADDR> |^ denied <HOST>$|denied <IP4>$)"],
        [],
        ["203.0.113.70", "203.0.113.72", "203.0.113.73", "203.0.113.74"],
    ),
    "anybody": ([r".*<HOST>"], [r"\bLogin\b"], []),
}
REFUSED = [
    "a (from <HOST>",
    "no tag",
    "<DNS>",
    "<SUBNET>",
    "<HOST> <SKIPLINES>",
    "<F-MLFID>a</F-MLFID> <HOST>",
    "(?P<nofail>a) <HOST>",
    "%(__prefix_line)s <HOST>",
    "%% <HOST>",
    "<F-USER>a <HOST>",
    "<HOST> [z-a]" + "x" * 200,
    "",
]


def found_in(
    lines: list[str], failregexes: list[str], ignoreregexes: list[str], zone: tzinfo | None
) -> tuple[list[Found], Counts]:
    log_filter = LogFilter(failregexes, ignoreregexes, zone=zone)
    tried = [log_filter.find(line, now_ms=int(NOW_S * 1000)) for line in lines]
    return [found for found in tried if found], log_filter.counts


@pytest.mark.parametrize("zone", [UTC, BERLIN_WINTER, None], ids=["UTC", "Berlin", "local"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_who_it_is_meant_for_and_counts_every_line(name: str, zone: tzinfo | None) -> None:
    failregexes, ignoreregexes, expected = FILTERS[name]
    lines = [*CORPUS.split("\n"), "x" * (LINE_MAX_CHARACTERS + 1)]
    found, counts = found_in(lines, failregexes, ignoreregexes, zone)
    assert counts.matched == len(found)
    assert counts.lines == len(lines)
    if expected:
        assert [ip for ip, _ in found] == expected


@pytest.mark.parametrize(
    ("name", "zone", "times"),
    [
        ("sshd passwords", UTC, ["2026-11-22T18:05:09", "2026-11-22T18:05:09", "2026-11-22T17:05:12.250"]),
        (
            "sshd passwords",
            BERLIN_WINTER,
            ["2026-11-22T17:05:09", "2026-11-22T17:05:09", "2026-11-22T17:05:12.250"],
        ),
        ("sshd users", UTC, ["2026-11-02T08:05:10"]),
        ("sshd closed", UTC, ["2025-12-31T23:59:59"]),
        ("without prefix", UTC, ["2026-11-22T18:30:00"]),  # it has no date, and takes none of another line
        ("logins", BERLIN_WINTER, ["2026-11-22T21:35:11", "2026-11-22T18:05:12"]),
        ("audit", BERLIN_WINTER, ["2026-11-22T18:05:09.123"]),
    ],
)
def test_the_times_are_those_of_the_lines(name: str, zone: tzinfo, times: list[str]) -> None:
    failregexes, ignoreregexes, _ = FILTERS[name]
    found, _ = found_in(CORPUS.split("\n"), failregexes, ignoreregexes, zone)
    expected = [datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() * 1000 for time in times]
    assert [at_ms for _, at_ms in found] == expected


@pytest.mark.parametrize("regex", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(regex: str) -> None:
    with pytest.raises(FilterError) as refused:
        LogFilter([regex])
    assert str(refused.value)
    assert "\n" not in str(refused.value)
