"""What the forms do, on a state file: the same as the commands, in the name of whoever logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.inbox import SqliteInbox
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.dashboard.acts import Acts
from f2b_worker.dashboard.asked import Said, Visitor
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.ports import DeadLetter
from f2b_worker.process.opening import open_acts, open_ban_book, open_dead_letters
from f2b_worker.query.wording import did

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from f2b_worker.domain.acts.act import Act

IP, OTHER, OFFICE = "203.0.113.7", "203.0.113.8", "198.51.100.7"
ANN = Visitor("ann", may_act=True, can_log_in=True)


class Fleet:
    """A state file, and forms that are sent about it."""

    def __init__(self, path: Path, by: str = "") -> None:
        self.settings = OperatorSettings(state=str(path))
        self._acts = Acts(self.settings, by).by_name()

    def send(self, action: str, /, **form: str | list[str]) -> Said:
        values = {name.rstrip("_"): [each] if isinstance(each, str) else each for name, each in form.items()}
        return self._acts[action](ANN, values)

    def lines(self, action: str, /, **form: str | list[str]) -> list[str]:
        said = self.send(action, **form)
        assert said.is_done, said
        return said.text.split("\n")

    def refusal(self, action: str, /, **form: str | list[str]) -> str:
        said = self.send(action, **form)
        assert not said.is_done, said
        return said.text

    def banned(self) -> set[str]:
        now_ms = SystemClock().now_ms()
        return {each.who.key for each in open_ban_book(self.settings).standing() if each.ban.until_ms >= now_ms}

    def audit(self) -> list[Act]:
        return list(open_acts(self.settings).audit(0))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFile]:
    made = StateFile(tmp_path / "f2b.db")
    made.reader()
    yield made
    made.close()


@pytest.fixture
def path(state: StateFile) -> Path:
    return state.path


@pytest.fixture
def fleet(path: Path) -> Fleet:
    return Fleet(path)


def test_a_ban_by_hand_has_the_name_of_who_logged_in_his_reason_and_his_time(fleet: Fleet) -> None:
    (line,) = fleet.lines("ban", address=f" {IP} ", for_="1h", reason="scans")
    assert line.startswith(f"{IP} in jail manual: banned until 20")
    (act,) = fleet.audit()
    assert (act.by, act.verb, act.what, act.reason) == ("ann (dashboard)", "ban", (f"{IP}/32",), "scans")


def test_where_one_person_runs_it_the_audit_has_him(path: Path) -> None:
    fleet = Fleet(path, by="arn:aws:iam::123456789012:user/ann")
    fleet.lines("ban", address=IP)
    assert fleet.audit()[0].by == "arn:aws:iam::123456789012:user/ann (dashboard)"


def test_several_addresses_may_stand_in_one_field_or_in_several(fleet: Fleet) -> None:
    assert len(fleet.lines("ban", address=[f"{IP}, {OTHER}\r\n203.0.113.9", "2001:db8::1"])) == 4
    assert fleet.banned() == {f"{IP}/32", f"{OTHER}/32", "203.0.113.9/32", "2001:db8::/64"}


def test_for_ever_is_minus_one(fleet: Fleet) -> None:
    assert fleet.lines("ban", address=OTHER, for_="-1") == [f"{OTHER} in jail manual: banned for ever"]


@pytest.mark.parametrize(
    ("action", "form", "told"),
    [
        ("ban", {}, "address: name an address or a network"),
        ("ban", {"address": " \t\n,"}, "address: name an address or a network"),
        ("unban", {}, "address: name an address or a network"),
        ("allow", {"comment": "office"}, "address: name an address or a network"),
        ("ban", {"address": IP, "for_": "soon"}, "for: 'soon' is no duration"),
        ("ban", {"address": IP, "for_": "0"}, "for: '0' is too short"),
        ("ban", {"address": IP, "jail": "a b"}, "jail: a name has"),
        ("ban", {"address": IP, "blocklist": "<b>"}, "blocklist: a name has"),
        ("ban", {"address": IP, "reason": "x" * 1001}, "reason has 1,001 characters: 1,000 are the most"),
        ("ban", {"address": "nobody"}, "nobody in jail manual: refused: "),
        ("ban", {"address": "10.0.0.1"}, "10.0.0.1 in jail manual: refused: 10.0.0.0/8 is never banned"),
        ("ban", {"address": "203.0.0.0/8"}, "tick the box that says you are sure"),
        ("allow", {"address": "0.0.0.0/0"}, "tick the box that says you are sure"),
        ("disallow", {"address": OFFICE}, f"{OFFICE}: absent: it is not on the list"),
        ("pause", {"for_": "x"}, "for: 'x' is no duration"),
        ("resume", {}, "there was no pause of all blocklists"),
        ("release", {}, "no bans are held back"),
        ("retry", {}, "choose the letters, or a reason that they have"),
        ("drop", {"id": "1", "reason": "empty", "sure": "yes"}, "choose the letters, or a reason that they have"),
        ("drop", {"reason": "empty"}, "that is for good: tick the box"),
        ("drop", {"id": "nothing", "sure": "yes"}, "0 dropped; 1 not there any more"),
        ("drop", {"id": "nothing", "sure": "yes"}, "somebody else looks at it just now: try again in two minutes"),
        ("drop", {"reason": "nothing", "sure": "yes"}, "0 dropped"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_and_nothing_is_done(
    fleet: Fleet, action: str, form: dict[str, str], told: str
) -> None:
    assert told in fleet.refusal(action, **form)
    assert not fleet.send(action, **form).has_changed
    assert fleet.banned() == set()
    assert all(act.verb in {"disallow", "resume"} for act in fleet.audit())


def test_one_wrong_address_of_several_costs_the_others_nothing(fleet: Fleet) -> None:
    said = fleet.send("ban", address=f"{IP} nobody {OTHER}")
    assert (said.is_done, said.has_changed) == (False, True)
    assert fleet.banned() == {f"{IP}/32", f"{OTHER}/32"}


def test_who_says_he_is_sure_may_hit_many(fleet: Fleet) -> None:
    fleet.lines("ban", address="203.0.0.0/8", sure="yes")
    assert fleet.banned() == {"203.0.0.0/8"}


def test_each_act_that_is_done_has_changed_something_but_the_lift_of_a_ban_that_never_was(fleet: Fleet) -> None:
    fleet.lines("ban", address=IP)
    done = [
        fleet.send("unban", address=IP),
        fleet.send("unban", address=IP, forget="yes"),
        fleet.send("allow", address=OFFICE),
        fleet.send("disallow", address=OFFICE),
        fleet.send("pause"),
        fleet.send("resume"),
    ]
    assert [(each.is_done, each.has_changed) for each in done] == [(True, True)] * len(done)
    nothing = fleet.send("unban", address=OTHER)
    assert (nothing.is_done, nothing.has_changed) == (True, False)


def test_a_lift_names_what_keeps_the_address_banned(fleet: Fleet) -> None:
    fleet.lines("ban", address=[IP, "203.0.113.0/24"])
    first, second = fleet.lines("unban", address=IP, reason="a customer")
    assert first == f"{IP} in jail manual: lifted"
    assert f"{IP} is still banned as 203.0.113.0/24 in jail manual" in second
    assert fleet.lines("unban", address=OTHER)[0] == f"{OTHER}: no ban runs"
    assert fleet.lines("unban", address="203.0.0.0/16")[-1] == "1 ban inside 203.0.0.0/16 stays"


def test_an_allowed_address_is_lifted_and_comes_off_the_list_again(fleet: Fleet) -> None:
    fleet.lines("ban", address=OFFICE)
    allowed, lifted = fleet.lines("allow", address=OFFICE, for_="30d", comment="office")
    assert allowed.startswith(f"{OFFICE}: allowed until 20")
    assert lifted == f"{OFFICE} in jail manual: lifted"
    (entry,) = open_acts(fleet.settings).allowlist()
    assert (entry.comment, entry.by) == ("office", "ann (dashboard)")
    assert fleet.lines("disallow", address=OFFICE, reason="moved") == [f"{OFFICE}: removed"]
    assert not list(open_acts(fleet.settings).allowlist())


def test_a_pause_lasts_until_its_end_or_until_somebody_resumes(fleet: Fleet) -> None:
    assert fleet.lines("pause", reason="deploying") == ["paused all blocklists until somebody resumes"]
    (name,) = open_acts(fleet.settings).control().pauses
    assert name == EVERY_BLOCKLIST
    assert fleet.lines("resume") == ["resumed all blocklists"]
    assert fleet.lines("pause", for_="30m")[0].startswith("paused all blocklists until 20")


def test_the_audit_says_how_each_thing_was_done(fleet: Fleet, state: StateFile) -> None:
    bury(state, "empty", "no_ip")
    fleet.lines("ban", address=IP, for_="1h")
    fleet.lines("ban", address=OTHER, for_="-1", blocklist="strict")
    fleet.lines("ban", address="203.0.113.9")
    fleet.lines("unban", address=IP)
    fleet.lines("unban", address=OTHER, forget="yes")
    fleet.lines("allow", address=OFFICE, for_="30d")
    fleet.lines("allow", address="198.51.100.8")
    fleet.lines("pause", for_="30m")
    fleet.lines("pause")
    fleet.lines("resume")
    fleet.lines("drop", reason="empty", sure="yes")
    fleet.lines("retry", id=next(open_dead_letters(fleet.settings).letters(1)).id)
    assert sorted(did(each) for each in fleet.audit()) == sorted(
        [
            "ban for 1h",
            "ban for ever into strict",
            "ban for 10m",
            "unban",
            "unban and forget the past",
            "allow for 30d",
            "allow for ever",
            "pause for 30m",
            "pause until somebody resumes",
            "resume",
            "dlq-drop with the reason empty",
            "dlq-retry",
        ]
    )


def test_every_act_is_remembered_with_who_did_it(fleet: Fleet) -> None:
    fleet.send("ban", address=IP)
    fleet.send("unban", address=IP)
    fleet.send("allow", address=OFFICE)
    fleet.send("disallow", address=OFFICE)
    fleet.send("pause")
    fleet.send("resume")
    acts = fleet.audit()
    assert {act.verb for act in acts} == {"ban", "unban", "allow", "disallow", "pause", "resume"}
    assert {act.by for act in acts} == {"ann (dashboard)"}


@pytest.mark.parametrize(("action", "done"), [("retry", "put back"), ("drop", "dropped")])
def test_a_form_takes_a_hundred_letters_at_most_and_says_that_more_are_left(
    fleet: Fleet, state: StateFile, action: str, done: str
) -> None:
    bury(state, *["empty"] * 250, "no_ip")

    said = [fleet.lines(action, reason="empty", sure="yes") for _ in range(3)]

    assert said == [[f"100 {done}; more may be left: press again"]] * 2 + [[f"50 {done}"]]
    told = [(each.verb, each.count, len(each.what)) for each in fleet.audit()]
    assert sorted(told) == [(f"dlq-{action}", 50, 50), *[(f"dlq-{action}", 100, 100)] * 2]
    assert [each.reason for each in open_dead_letters(fleet.settings).letters(10)] == ["no_ip"]


def test_a_letter_that_is_named_is_put_back_and_nothing_else_is_said_to_be_left(
    fleet: Fleet, state: StateFile
) -> None:
    bury(state, "empty", "empty", "empty")
    _, letter, _ = open_dead_letters(fleet.settings).letters(3)

    assert fleet.lines("retry", id=letter.id) == ["1 put back"]


def bury(state: StateFile, *reasons: str) -> None:
    letters = [DeadLetter("{}", {reason: 1}, "", str(number)) for number, reason in enumerate(reasons)]
    assert not any(SqliteInbox(state, SystemClock()).bury(letters))
