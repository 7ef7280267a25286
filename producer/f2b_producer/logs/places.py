"""Where in its lines a log writes the date: learnt from many lines, then held to.

Much of a line may be an attacker's words: user name, URL, user agent. So a date is taken from four places only:

- at the start of the line;
- between ``[`` and ``] "``, outside quotation marks, as access logs have it: servers escape the quotation marks
  in what a client sent;
- in a key of a JSON line that is not nested and is named after time: a client's words are in texts there, or
  deeper;
- behind a fixed number of words, if most lines have one there.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from f2b_producer.logs.forms import EPOCH, EPOCH_OF_ANY_UNIT, FORMS, bare

SURVEY_LINES = 100
"""So many lines say which places a log uses; and so many without a date there, that its format has changed."""

_HELD_SHARE = 0.05  # of these lines: access and error logs may share a file, and a stray word is rarer
_WORD_SHARE = 0.5  # behind some words: stack traces have no date, and an attacker's line is one of many
_WORD_LINES = 3  # at least, since the first line may be his
_WORDS_MAX = 8
_WHOLE_CHARACTERS = 8 * 1024  # of what is longer, a part may be cut out

_NO_MORE = "(?![0-9])"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_ESCAPED = r'\\["\\]'  # outside quotation marks, too: Apache writes so what a client calls its user
_DATE = "|".join(bare(form) for form in (*FORMS, EPOCH))
_NONE = "(?!)"  # a number behind words is rarely a time
_PRIORITY = r"(?:<[0-9]{1,3}>(?:1 )?)?"  # of syslog
_NAMED = r"(?:(?:time|ts|timestamp|date|datetime|t|at)=\"?)?"  # logfmt
_AUDIT = r"(?:node=\S+ )?type=\w+ msg=audit\("
_WORD = re.compile(rf'(?:{_QUOTED}|{_ESCAPED}|[^\s"])+')
_WORD_LEAD = r"""[\[("'<]{0,2}(?:\w+=)?["']?"""
_DATED_WORD = re.compile(rf"{_WORD_LEAD}(?:{'|'.join(map(bare, FORMS))}){_NO_MORE}")
_JSON_TOKEN = re.compile(rf"{_QUOTED}?|[{{}}\[\]]")  # a text that was cut off goes on to the end
_COLON = re.compile(r"\s*:")
_OF_TIME = re.compile(r'(?i)"(?:@?t|ts|msec|asctime|epoch\w*|[@\w.-]*(?:time|date)[\w.-]*)"')
_USUAL_KEYS = [f'"{name}"' for name in ("@timestamp", "timestamp", "time", "ts", "t", "datetime", "date")]
_DOCKER = '{"log":"'


class _Spot:
    """Dates of all forms between two regexes; what was found last is tried first."""

    def __init__(self, before: str, after: str = _NO_MORE, *, epoch_lead: str, epoch: str = EPOCH) -> None:
        pairs = [*((before, form) for form in FORMS), (epoch_lead, epoch)]
        self._forms = [re.compile(f"(?:{lead})(?P<stamp>{form}){after}") for lead, form in pairs]
        self._any = re.compile("|".join(f"(?:{lead})({bare(form)}){after}" for lead, form in pairs))
        self._last = 0

    def find(self, line: str, position: int = 0) -> re.Match[str] | None:
        found = self._forms[self._last].match(line, position)
        if found is None and (any_form := self._any.match(line, position)):
            self._last = (any_form.lastindex or 1) - 1
            found = self._forms[self._last].match(line, position)
        return found


_START = _Spot(rf"{_PRIORITY}\W{{0,3}}{_NAMED}", epoch_lead=rf"[\[(]?{_NAMED}|{_AUDIT}")
_UP_TO_BRACKET = rf'(?>{_QUOTED}|{_ESCAPED}|[^"\[]|\[(?!(?:{_DATE})\] "))*+\['
_BRACKET = _Spot(_UP_TO_BRACKET, r'\] "', epoch_lead=_UP_TO_BRACKET)
_VALUE = _Spot(r'\s*:\s*"?\W{0,3}', epoch_lead=r'\s*:\s*"?', epoch=EPOCH_OF_ANY_UNIT)
# What a program in a container wrote, as docker's json-file has it: each quotation mark is escaped once more.
_LOGGED_START = _Spot(rf'\{{"log":"{_PRIORITY}\W{{0,3}}', epoch_lead=r'\{"log":"')
_UP_TO_LOGGED = rf'\{{"log":"(?>[^"\\\[]|\\.|\[(?!(?:{_DATE})\] \\"))*+\['
_LOGGED_BRACKET = _Spot(_UP_TO_LOGGED, r'\] \\"', epoch_lead=_UP_TO_LOGGED)


@lru_cache(maxsize=_WORDS_MAX)
def _behind_words(words: int) -> _Spot:
    before = rf'(?:(?>{_QUOTED}|{_ESCAPED}|[^\s"])++\s+){{{words}}}{_WORD_LEAD}'
    return _Spot(before, epoch_lead=_NONE)


class _Place(NamedTuple):
    """Where a date is: the kinds in the order in which they go before each other."""

    kind: int
    key: str = ""
    words: int = 0

    def find(self, line: str) -> re.Match[str] | None:
        if line.startswith("{") != (self.kind == _KEY):
            return None
        if self.kind == _KEY:
            end = _end_of_key(line, self.key)
            return None if end is None else _VALUE.find(line, end)
        spot = _BRACKET if self.kind == _IN_BRACKETS else _behind_words(self.words) if self.words else _START
        return spot.find(line)

    def order(self) -> tuple[int, int, int]:
        """Say which of two places that are used alike is the log's."""
        usual = _USUAL_KEYS.index(self.key) if self.key in _USUAL_KEYS else len(_USUAL_KEYS)
        return (self.kind, usual, self.words)


_AT_START, _IN_BRACKETS, _KEY, _BEHIND_WORDS = range(4)


class Places:
    """The places of one log's dates."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lines = self._missed = 0
        self._seen: Counter[_Place] = Counter()
        self._used: Sequence[_Place] = ()

    @property
    def is_known(self) -> bool:
        """Whether any place is known."""
        return bool(self._used)

    @property
    def is_undecided(self) -> bool:
        """Whether there are too few lines yet to say that dates behind some words are the log's own."""
        return self._lines < _WORD_LINES and any(place.kind == _BEHIND_WORDS for place in self._seen)

    def learn(self, line: str) -> None:
        """Look where one more line of the log has dates."""
        self._lines += 1
        self._seen.update(_places_in(line))
        self._used = sorted(
            filter(self._is_used, self._seen), key=lambda place: (-self._seen[place], place.order())
        )

    def _is_used(self, place: _Place) -> bool:
        """Tell whether the log has its dates there; after a few lines nobody knows which places are rare."""
        if place.kind == _BEHIND_WORDS:
            return self._seen[place] >= max(_WORD_LINES, _WORD_SHARE * self._lines)
        return self._lines < SURVEY_LINES or self._seen[place] >= _HELD_SHARE * self._lines

    def find(self, line: str) -> re.Match[str] | None:
        """Return the date of *line*, the group ``stamp``; None if it has none where its log has dates."""
        if self._lines < SURVEY_LINES:
            self.learn(line)
        for place in self._used:
            if found := place.find(line):
                self._missed = 0
                return found
        self._missed += 1
        if self._missed >= SURVEY_LINES:
            self._forget()
        return None


def cut_span(line: str, found: re.Match[str]) -> tuple[int, int]:
    """Tell which date no regex is to see: of a line that docker wrapped, the program's own if it has one."""
    if line.startswith(_DOCKER):
        found = _LOGGED_START.find(line) or _LOGGED_BRACKET.find(line) or found
    return found.span("stamp")


def _places_in(line: str) -> Iterator[_Place]:
    if line.startswith("{"):
        for key, end in _top_keys(line):
            if _OF_TIME.fullmatch(key) and _VALUE.find(line, end):
                yield _Place(_KEY, key=key)
        return
    if _START.find(line):
        yield _Place(_AT_START)
    if _BRACKET.find(line):
        yield _Place(_IN_BRACKETS)
    for number, word in enumerate(_WORD.finditer(line)):
        if number > _WORDS_MAX:
            break
        if number and _DATED_WORD.match(line, word.start()):
            yield _Place(_BEHIND_WORDS, words=number)


def _end_of_key(line: str, key: str) -> int | None:
    """Return where a key that is not nested ends."""
    # Of a line that was cut, the only one that is left may be another one, deeper in it.
    if len(line) < _WHOLE_CHARACTERS and line.count(key) == 1 and line.endswith("}"):
        end = line.find(key) + len(key)
        return end if _COLON.match(line, end) else None
    return next((end for found, end in _top_keys(line) if found == key), None)


def _top_keys(line: str) -> Iterator[tuple[str, int]]:
    """Yield the keys of a JSON line that are not nested, with their quotation marks, and where each ends."""
    depth = 0
    for token in _JSON_TOKEN.finditer(line):
        text = token[0]
        if text in "{[":
            depth += 1
        elif text in "}]":
            depth -= 1
        elif depth == 1 and _COLON.match(line, token.end()):
            yield text, token.end()
