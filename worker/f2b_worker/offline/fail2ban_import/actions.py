"""Says what a jail's actions do: a jail of fail2ban may also lift bans, let through, or only report."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.offline.fail2ban_import.ini import Ini, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_ACTION = re.compile(r"""[^\[\s]+(?:\s*\[(?:"[^"]*"|'[^']*'|[^\]"'])*\])*""")
_PARAMETER = re.compile(r"""([\w.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,\]]*))""")
_TAG = re.compile(r"<([^<> ]+)>")
_REPLACEMENTS_MAX = 100  # a tag that names itself ends here

# fail2ban's own actions, which are judged by name where their files are not there.
_REPORTING = re.compile(
    r"(send)?mail(-.*)?|abuseipdb.*|apprise|blocklist_de|complain|dshield|dummy|ipthreat|mynetwatchman|smtp\.py"
    r"|xarf-login-attack"
)
_BANNING = re.compile(
    r"apf|bsd-ipfw|cloudflare(-token)?|firewallcmd-.*|hostsdeny|ipfilter|ipfw|iptables(-.*)?|netscaler|nftables(-.*)?"
    r"|nginx-block-map|npf|nsupdate|osx-.*|pf|route|shorewall(-.*)?|symbiosis-blacklist-allports|ufw"
)

# What a command says of itself. `-D` takes a rule out, and `-j RETURN` ends a chain before the bans.
_LIFTS = re.compile(
    r"(?<![a-z])(un-?(ban|block|deny)|addignoreip|allow|permit|accept(?![a-z:-])|del(ete)?(?![a-z])|remove|rem(?![a-z]))"
    r"|(white|trusted)|(-j|--jump)\s+return",
    re.IGNORECASE,
)
_TAKES_OUT = re.compile(r"(tables|ipset)\S*\s[^;|&\n]*-D\s")
# What it only says, or does no more, bans nobody.
_SAID = re.compile(
    r"""\b(echo|printf|logger|wall)\b("[^"]*"|'[^']*'|[^|;&>\n"'])*|(?:^|(?<=\s))#.*|-(d|-data\S*)\s*("[^"]*"|'[^']*')""",
    re.MULTILINE,
)
_BLOCKS = r"(drop|reject|deny|block|blackhole|unreach|prohibit|tarpit|logdrop|f2b-)"
_BANS = re.compile(
    rf"tables\S*\s.*(-I|-A|--insert|--append)\s.*(-j|--jump)\s+{_BLOCKS}"
    rf"|\bipset\b.*\badd\b|\bnft\b.*\badd\s+element\b|\bufw\b.*\b{_BLOCKS}"
    rf"|\bfirewall-cmd\b.*(--add-entry|--add-(rich-)?rule.*\b{_BLOCKS})"
    rf"|\bpfctl\b.*-T\s+add\b|\broute\s+add\s+.*{_BLOCKS}|\bcsf\s+-t?d\b|\bapf\s+(-d|--deny)\b"
    rf"|\bshorewall\S*\s+{_BLOCKS}|(>|\btee\b.*)\s*\S*hosts\.deny|\b(ipfw|npfctl)\b.*\badd\b|\bcscli\s+decisions\s+add\b"
    r"|\bfail2ban-client\b.*\bbanip\b|\bupdate-ip-set\b",
    re.IGNORECASE | re.DOTALL,
)
# What the first word of `blocktype` makes of an action that would ban.
_BLOCKTYPE_LIFTS = {"accept", "allow", "pass", "permit", "return", "throw"}
_LETS_IN = re.compile(r"accept|allow(list)?|white_?list", re.IGNORECASE)
_BLOCKTYPE_REPORTS = {"log", "nflog", "ulog", "mark", "connmark", "count", "counter", "continue"}


class Does(Enum):
    """What an action does with an address."""

    BANS = "bans"
    REPORTS = "only reports"
    LIFTS = "lifts bans or lets through"
    UNKNOWN = "cannot be read"


class Action(NamedTuple):
    """One action of a jail, with what the jail gives it."""

    name: str
    parameters: Mapping[str, str]


def why_no_ban(text: str, files: Callable[[str], Sequence[Source]]) -> str | None:
    """Say why a jail with these actions is none that bans; None if it is one.

    Args:
        text: The jail's `action`.
        files: The files of an action by its name, as fail2ban reads them; none if they are not there.
    """
    done = {action.name: what_does(action, files(action.name)) for action in _actions(text)}
    if not done:
        return "it has no action, so fail2ban bans nobody by it"
    for what in (Does.LIFTS, Does.BANS, Does.UNKNOWN):
        names = ", ".join(name for name, does in done.items() if does is what)
        if names and what is Does.LIFTS:
            return f"its action {names} lifts bans or lets through"
        if names and what is Does.BANS:
            return None
        if names:
            return f"f2b cannot tell whether its action {names} bans"
    return f"its action {', '.join(done)} only reports, so fail2ban bans nobody by it"


def _actions(text: str) -> Iterator[Action]:
    for each in _ACTION.findall(text):
        name, _, parameters = each.partition("[")
        given = {key: a or b or c for key, a, b, c in _PARAMETER.findall(parameters)}
        yield Action(name.strip(), {key: value.strip() for key, value in given.items()})


def what_does(action: Action, sources: Sequence[Source]) -> Does:
    """Tell what an action does, by its command where that is known, by its name where fail2ban has one of it."""
    ini = Ini(sources)
    # Whoever changes the command of an action of fail2ban's makes another action of it.
    own = "actionban" in action.parameters or any(
        source.name.endswith(".local") and "actionban" in source.text for source in sources
    )
    if not own and _REPORTING.fullmatch(action.name):
        return Does.REPORTS
    blocktype = (_filled("<blocktype>", ini, action).split() or [""])[0].lower()
    if blocktype in _BLOCKTYPE_LIFTS or any(_LETS_IN.fullmatch(value) for value in action.parameters.values()):
        return Does.LIFTS
    if blocktype in _BLOCKTYPE_REPORTS:
        return Does.REPORTS
    command = _command(ini, action)
    if command == "":
        return Does.REPORTS
    found = _by_command(command) if command else Does.UNKNOWN
    is_known = found is Does.UNKNOWN and not own and _BANNING.fullmatch(action.name)
    return Does.BANS if is_known else found


def _by_command(command: str) -> Does:
    if _LIFTS.search(command) or _TAKES_OUT.search(command):
        return Does.LIFTS
    return Does.BANS if _BANS.search(_SAID.sub("", command)) else Does.UNKNOWN


def _command(ini: Ini, action: Action) -> str | None:
    """Return what the action runs to ban, "" for nothing, None if nobody knows."""
    if "Definition" not in ini.sections and "actionban" not in action.parameters:
        return None
    return _filled("<actionban>", ini, action).removeprefix("<actionban>").strip()


def _filled(text: str, ini: Ini, action: Action) -> str:
    """Replace each `<parameter>` by what the jail or the action's file says; others stay."""
    for _ in range(_REPLACEMENTS_MAX):
        for tag in _TAG.findall(text):
            value = _parameter(tag, ini, action)
            if value is not None and f"<{tag}>" not in value:
                text = text.replace(f"<{tag}>", value)
                break
        else:
            break
    return text


def _parameter(name: str, ini: Ini, action: Action) -> str | None:
    if name in action.parameters:
        return action.parameters[name]
    there, _, option = name.rpartition("/")
    for section in (there,) if there else ("Init", "Definition"):
        if section in ini.sections and ini.raw(section, option) is not None:
            try:
                return ini.value(section, option)
            except ValueError:  # it names an option of the jail; as it was written it tells as much
                return ini.raw(section, option)
    return None
