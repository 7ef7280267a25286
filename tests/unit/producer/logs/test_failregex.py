"""What fail2ban's regexes find in log lines, and what is refused of them."""

import re
import time
from datetime import UTC, datetime

import pytest

from f2b_producer.logs import Counts, FilterError, Found, LogFilter
from f2b_producer.logs.failregex import compile_failregexes, compile_ignoreregexes
from f2b_producer.logs.lines import LINE_MAX_CHARACTERS

NOW_MS = int(datetime(2026, 11, 22, 18, 30, tzinfo=UTC).timestamp() * 1000)
AT_MS = int(datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC).timestamp() * 1000)


def search(regex: str, line: str) -> str | None:
    (failregex,) = compile_failregexes([regex])
    return failregex.search(line)


@pytest.mark.parametrize("tag", ["<HOST>", "<ADDR>", "<F-ID><HOST></F-ID>", "<F-ID/>", "<F-ID>[^ ]+</F-ID>"])
@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:DB8::1]", "2001:DB8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:1"),
        ("2001:db8::", "2001:db8::"),
        ("::1", "::1"),
        ("64:ff9b::203.0.113.7", "64:ff9b::203.0.113.7"),
    ],
)
def test_an_address_is_found_in_each_of_its_forms(tag: str, text: str, ip: str) -> None:
    assert search(f"^bad {tag}$", f"bad {text}") == ip
    assert search(f"from {tag} port", f"from {text} port 22") == ip


@pytest.mark.parametrize("after", ["", ":443", ".", ", client", "]", "/x", " - -"])
@pytest.mark.parametrize("text", ["203.0.113.7", "2001:db8::1"])
def test_an_address_ends_where_the_text_goes_on(text: str, after: str) -> None:
    if text.count(":") == 1 or not after.startswith(":"):
        assert search("ip=<ADDR>", f"ip={text}{after}") == text


def test_a_greedy_regex_before_the_tag_does_not_cut_the_address() -> None:
    for text in ("203.0.113.7", "2001:db8::1", "2001:db8:abcd::1"):
        assert search(".*<HOST>", f"failed from {text}") == text
        assert search(".*<ADDR>", f"failed from {text}") == text


@pytest.mark.parametrize("line", [" " * LINE_MAX_CHARACTERS, "::" * (LINE_MAX_CHARACTERS // 2)])
def test_a_long_line_without_an_address_does_not_cost_seconds(line: str) -> None:
    began_s = time.process_time()
    assert not search(".*<HOST>", line)
    assert time.process_time() - began_s < 2  # it was 20 s while .* was tried from every character


@pytest.mark.parametrize(
    "text", ["example.com", "203.0.113.7.example.com", "203.0.113.7-dsl.example.net", "999.1.1.1"]
)
def test_a_host_name_is_no_address_whatever_it_begins_with(text: str) -> None:
    assert search("from <HOST>", f"from {text} port 22") == ""
    assert search("^from <HOST> port", f"from {text} port 22") == ""
    assert not search("^from <ADDR> port", f"from {text} port 22")


def test_the_tag_says_which_family_it_takes() -> None:
    assert search("^<IP4>$", "203.0.113.7") == "203.0.113.7"
    assert search("^<IP4>$", "2001:db8::1") is None
    assert search("^<IP6>$", "2001:db8::1") == "2001:db8::1"
    assert search("^<IP6>$", "203.0.113.7") is None
    assert search("^<ADDR>$", "18:05:09") is None


def test_the_id_decides_who_did_it() -> None:
    regex = "^via <HOST> for <F-ID>[^ ]+</F-ID>"
    assert search(regex, "via 203.0.113.9 for 203.0.113.7") == "203.0.113.7"
    assert search(regex, "via 203.0.113.9 for somebody") == ""


def test_other_tags_are_named_groups() -> None:
    regex = r"user <F-USER>\S+</F-USER> from <HOST> mech <F-MECHANISM/> again (?P=user)"
    (failregex,) = compile_failregexes([regex])
    found = failregex.pattern.search("user bob from 203.0.113.7 mech PLAIN again bob")
    assert found is not None
    assert (found["user"], found["mechanism"], found["ip4"]) == ("bob", "PLAIN", "203.0.113.7")


def test_a_tag_may_stand_several_times() -> None:
    regex = "(?:from <HOST> bad|<F-USER>a</F-USER> by <HOST>|<F-USER>b</F-USER> at <ADDR>)"
    assert search(regex, "from 203.0.113.7 bad") == "203.0.113.7"
    assert search(regex, "a by 2001:db8::1") == "2001:db8::1"
    assert search(regex, "b at 203.0.113.8") == "203.0.113.8"


def test_a_regex_whose_tags_fail2ban_has_expanded_is_understood() -> None:
    expanded = (
        r"from (?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|\[?(?P<ip6>[0-9a-f:]+)\]?|(?P<dns>[\w.]+)) port"
    )
    assert search(expanded, "from 203.0.113.7 port") == "203.0.113.7"
    assert search(expanded, "from [2001:db8::1] port") == "2001:db8::1"
    assert search(expanded, "from example.com port") == ""
    assert search(r"from (?P<host>\S+)", "from 203.0.113.7") == "203.0.113.7"


def test_several_lines_are_several_regexes_and_the_first_that_matches_counts() -> None:
    failregexes = compile_failregexes(["^a <HOST>\n  ^b <HOST>\n\n", "^c <HOST>"])
    assert [one.source for one in failregexes] == ["^a <HOST>", "^b <HOST>", "^c <HOST>"]


@pytest.mark.parametrize(
    ("regex", "complaint"),
    [
        (
            "Failed (from <HOST>",
            "failregex 'Failed (from <HOST>' at character 8: missing ), unterminated subpattern",
        ),
        ("<HOST> (?P<user>a)(b", "at character 19: missing )"),
        ("<HOST> [z-a]", "at character 9: bad character range z-a"),
        (".*<HOST> [z-a]", "at character 11: bad character range z-a"),
        ("no tag", "'no tag': has no <HOST>"),
        ("only <F-USER/>", "has no <HOST>"),
        ("only <DNS>", "has no <HOST>"),
        ("a <SKIPLINES> <HOST>", "at character 3: <SKIPLINES>: failures told over several lines"),
        ("<F-MLFID>x</F-MLFID> <HOST>", "<F-MLFID>: failures told over several lines"),
        ("<HOST> <F-NOFAIL>x</F-NOFAIL>", "at character 8: <F-NOFAIL>: failures told"),
        ("(?P<mlfid>x) (?P<ip4>y)", "(?P<mlfid>: failures told"),
        ("from <SUBNET>", "at character 6: <SUBNET>: f2b judges addresses, not networks"),
        ("^%(__prefix_line)sbad <HOST>", "at character 2: %(__prefix_line)s is for fail2ban's configuration"),
        ("100%% <HOST>", "`fail2ban-client get JAIL failregex`"),
        ("<HOST>" + "(" * 300, "missing )"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(regex: str, complaint: str) -> None:
    with pytest.raises(FilterError, match=re.escape(complaint)) as refused:
        compile_failregexes([regex])
    assert "\n" not in str(refused.value)


def test_no_regex_at_all_is_refused() -> None:
    with pytest.raises(FilterError, match="no failregex is given"):
        compile_failregexes(["", "\n"])


def test_an_ignoreregex_needs_no_tag_and_is_named_when_wrong() -> None:
    assert len(compile_ignoreregexes(["a\nb", "<HOST>"])) == 3
    with pytest.raises(FilterError, match=r"ignoreregex '\(' at character 1"):
        compile_ignoreregexes(["("])


def test_what_python_warns_of_is_taken_as_fail2ban_takes_it() -> None:
    assert search(r"[[]<HOST>\]", "[203.0.113.7]") == "203.0.113.7"


LOG = """\
no date yet from 203.0.113.1 port
Nov 22 18:05:09 web sshd[7]: Failed from 203.0.113.7 port 22
  a line without a date from 203.0.113.8 port
Nov 22 18:05:10 web sshd[7]: Failed from example.com port 22
Nov 22 18:05:11 web sshd[7]: Failed from 203.0.113.9 port 22 monitoring
Nov 22 18:05:12 web sshd[7]: Accepted
""".splitlines(keepends=True)


def test_each_line_of_a_log_is_found_or_counted() -> None:
    log_filter = LogFilter(["from <HOST> port"], ["monitoring$"], zone=UTC)
    lines = [*LOG, f"from 203.0.113.7 port {'x' * LINE_MAX_CHARACTERS}\n"]
    assert [found for line in lines if (found := log_filter.find(line, now_ms=NOW_MS))] == [
        Found("203.0.113.1", NOW_MS),
        Found("203.0.113.7", AT_MS),
        Found("203.0.113.8", NOW_MS),
        Found("203.0.113.7", NOW_MS),
    ]
    assert log_filter.counts == Counts(matched=4, ignored=1, no_match=1, no_address=1, too_long=1, no_date=3)
    assert log_filter.counts.lines == len(LOG) + 1


@pytest.mark.parametrize(
    ("line", "regex"),
    [
        ("Nov 22 18:05:09 web sshd: bad 203.0.113.7", "^ web sshd: bad <HOST>$"),
        ("Nov 22 18:05:09 web sshd: bad 203.0.113.7", r"^\s*\S+ sshd: bad <HOST>$"),
        ("[2026-11-22 18:05:09] bad 203.0.113.7\r\n", r"^\[\] bad <HOST>$"),
        ('203.0.113.7 - - [22/Nov/2026:18:05:09 +0000] "GET', r'^<HOST> - - \[\] "GET$'),
        ("  2026-11-22 18:05:09 203.0.113.7  ", "^   <HOST>  $"),
    ],
)
def test_the_stamp_is_cut_out_and_nothing_else_before_the_regex_sees_the_line(line: str, regex: str) -> None:
    assert LogFilter([regex], zone=UTC).find(line, now_ms=NOW_MS) == Found("203.0.113.7", AT_MS)


def test_a_wrong_regex_is_refused_before_a_line_is_read() -> None:
    with pytest.raises(FilterError):
        LogFilter(["("])
