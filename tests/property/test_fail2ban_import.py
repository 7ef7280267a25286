"""No value of a fail2ban configuration is ever replaced by a default in a jail that bans."""

from __future__ import annotations

import string
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.jails import FOREVER_MS, SECOND_MS, Jail
from f2b_worker.offline.fail2ban_import import Imported, Source, import_fail2ban

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "hours": 3600, "d": 86_400, "W": 604_800}
COUNTS = st.integers(-5, 3000)


def written(parts: list[tuple[int, str]], between: str, times: int, comment: str) -> tuple[str, int]:
    total = sum(number * UNITS[unit] for number, unit in parts)
    text = between.join(f"{number}{unit}" for number, unit in parts)
    return (text if times == 1 else f"({text})*{times}") + comment, total * times


DURATIONS = st.builds(
    written,
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(sorted(UNITS))), min_size=1, max_size=4),
    st.sampled_from(["", " ", "  ", "+", " + "]),
    st.integers(1, 5),
    st.sampled_from(["", " # a remark", " ; a remark", " "]),
)
# Nothing that begins like this can be computed, whatever follows.
JUNK = st.text(string.ascii_letters + string.digits + " %()<>*/#;.-+_", max_size=12).map("x".__add__)


def jail_of(result: Imported) -> Jail:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "f2b.toml"
        path.write_text(result.toml, "utf-8")
        return read_jails(path).policy.jail("a")


def imported(option: str, text: str, *, in_defaults: bool, earlier: str) -> tuple[Imported, Jail]:
    section = "DEFAULT" if in_defaults else "a"
    first = f"[{section}]\n{option} = {earlier}\n"
    second = (
        f"[{section}]\n{option} = {text}\n[a]\nenabled = true\n"
        if in_defaults
        else (f"[a]\nenabled = true\n{option} = {text}\n")
    )
    result = import_fail2ban([Source("jail.conf", first), Source("jail.local", second)])
    return result, jail_of(result)


@given(COUNTS, st.sampled_from(["", " ", " ; a remark"]), st.booleans())
def test_a_maxretry_is_kept_or_its_jail_bans_nobody(count: int, after: str, in_defaults: bool) -> None:
    result, jail = imported("maxretry", f"{count}{after}", in_defaults=in_defaults, earlier="7")
    if count > 1000:
        assert jail.observed
        assert result.wrong
    else:
        assert not jail.observed
        assert jail.windows[0].maxretry == max(1, count)


@given(DURATIONS, st.booleans())
def test_a_bantime_is_kept_or_its_jail_bans_nobody(duration: tuple[str, int], in_defaults: bool) -> None:
    text, length_s = duration
    result, jail = imported("bantime", text, in_defaults=in_defaults, earlier="7h")
    if length_s == 0:
        assert jail.observed
        assert result.wrong
    else:
        assert not jail.observed
        assert jail.bantime_ms == min(FOREVER_MS, length_s * SECOND_MS)


@given(DURATIONS, st.booleans())
def test_a_findtime_is_kept_or_its_jail_bans_nobody(duration: tuple[str, int], in_defaults: bool) -> None:
    text, length_s = duration
    result, jail = imported("findtime", text, in_defaults=in_defaults, earlier="7h")
    if length_s == 0:
        assert jail.observed
        assert result.wrong
    else:
        assert not jail.observed
        assert jail.windows[0].findtime_ms == length_s * SECOND_MS


@given(st.sampled_from(["maxretry", "findtime", "bantime"]), JUNK, st.booleans())
def test_what_cannot_be_computed_is_told_and_its_jail_bans_nobody(
    option: str, text: str, in_defaults: bool
) -> None:
    result, jail = imported(option, text, in_defaults=in_defaults, earlier="7")
    assert jail.observed
    assert any(f"{option} = " in told for told in result.wrong)
