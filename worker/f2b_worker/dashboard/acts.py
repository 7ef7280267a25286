"""What the forms of the pages do: the same as the commands of these names, remembered by whoever logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.acting import allowing, banning, letters, lifting, pausing, releasing
from f2b_worker.config.jails_file import read_jails
from f2b_worker.dashboard.asked import Said
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL
from f2b_worker.domain.addresses import display
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import FOREVER_MS, SECOND_MS
from f2b_worker.ports import LETTERS_AT_ONCE
from f2b_worker.query.wording import blocklist_named, moment, paused_is, plain_text
from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.acting.outcomes import Outcome
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.dashboard.asked import Form, Visitor

    Act = Callable[[Visitor, Form], Said]

_STAYING_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Acts:
    """Does what somebody asked for in a form, whose fields are named as the options of the command.

    Attributes:
        settings: They say where the ledger is.
        by: Who acts, where it is whoever started this process; empty: whoever is logged in.
    """

    settings: OperatorSettings
    by: str = ""

    def by_name(self) -> Mapping[str, Act]:
        """Name what can be done."""
        every: dict[str, Act] = {
            "ban": self.ban,
            "unban": self.unban,
            "allow": self.allow,
            "disallow": self.disallow,
            "pause": self.pause,
            "resume": self.resume,
            "release": self.release,
            "retry": self.retry,
            "drop": self.drop,
        }
        return {name: _refusing(act) for name, act in every.items()}

    def ban(self, visitor: Visitor, form: Form) -> Said:
        """Ban addresses and networks: address, jail, for, blocklist, reason, sure."""
        wish = banning.BanWish(
            _addresses(form),
            _text(form, "jail") or MANUAL_JAIL,
            _length_ms(form),
            tuple(_words(form, "blocklist")),
            _text(form, "reason"),
            _is_ticked(form, "sure"),
        )
        done = banning.ban(self.settings, read_jails(self.settings.config), wish, by=self._who(visitor))
        return _outcomes(done.outcomes)

    def unban(self, visitor: Visitor, form: Form) -> Said:
        """Lift bans: address, jail, forget, reason; what keeps somebody banned is named."""
        wish = lifting.LiftWish(
            _addresses(form),
            _text(form, "jail") or None,
            forget=_is_ticked(form, "forget"),
            reason=_text(form, "reason"),
        )
        done = lifting.unban(self.settings, read_jails(self.settings.config), wish, by=self._who(visitor))
        staying = lifting.what_stays(self.settings, done.networks)
        return _outcomes(done.outcomes, _staying(staying))

    def allow(self, visitor: Visitor, form: Form) -> Said:
        """Allow addresses and networks: address, for, comment, sure."""
        for_ms = _length_ms(form)
        wish = allowing.AllowWish(
            _addresses(form),
            None if for_ms is None or for_ms >= FOREVER_MS else for_ms,
            _text(form, "comment"),
            _is_ticked(form, "sure"),
        )
        return _outcomes(allowing.allow(self.settings, wish, by=self._who(visitor)).outcomes)

    def disallow(self, visitor: Visitor, form: Form) -> Said:
        """Take addresses and networks off the allowlist: address, reason."""
        reason = _text(form, "reason")
        done = allowing.disallow(self.settings, _addresses(form), reason=reason, by=self._who(visitor))
        return _outcomes(done.outcomes)

    def pause(self, visitor: Visitor, form: Form) -> Said:
        """Leave IP sets as they are: blocklist, for, reason."""
        blocklist, for_ms = _text(form, "blocklist") or EVERY_BLOCKLIST, _length_ms(form)
        reason, by = _text(form, "reason"), self._who(visitor)
        done = pausing.pause(self.settings, blocklist, for_ms=for_ms, reason=reason, by=by)
        ends = "until somebody resumes" if done.until_ms is None else f"until {moment(done.until_ms)}"
        return Said(is_done=True, text=f"paused {blocklist_named(blocklist)} {ends}", has_changed=True)

    def resume(self, visitor: Visitor, form: Form) -> Said:
        """End a pause: blocklist, reason."""
        blocklist = _text(form, "blocklist") or EVERY_BLOCKLIST
        done = pausing.resume(self.settings, blocklist, reason=_text(form, "reason"), by=self._who(visitor))
        named = blocklist_named(blocklist)
        first = f"resumed {named}" if done.was_there else f"there was no pause of {named}"
        still = [f"{paused_is(each)} still paused" for each in done.still_paused]
        return Said(done.was_there, "\n".join([first, *still]), done.was_there)

    def release(self, visitor: Visitor, form: Form) -> Said:
        """Let in what the surge guard holds back: reason."""
        done = releasing.release(self.settings, reason=_text(form, "reason"), by=self._who(visitor))
        text = "\n".join(each.as_line() for each in done) or "no bans are held back"
        return Said(bool(done), text, bool(done))

    def retry(self, visitor: Visitor, form: Form) -> Said:
        """Put dead letters back, a hundred at most: id or reason, sure."""
        which = _letters(form)
        taken = letters.retry(self.settings, which, by=self._who(visitor), most=LETTERS_AT_ONCE)
        return _counted(taken, which, "put back")

    def drop(self, visitor: Visitor, form: Form) -> Said:
        """Delete dead letters, a hundred at most: id or reason, sure."""
        which = _letters(form)
        taken = letters.drop(self.settings, which, by=self._who(visitor), most=LETTERS_AT_ONCE)
        return _counted(taken, which, "dropped")

    def _who(self, visitor: Visitor) -> str:
        return f"{self.by or visitor.name} (dashboard)"


def _refusing(act: Act) -> Act:
    """Make a refusal of what is wrong in a form: nothing is done then."""

    def done(visitor: Visitor, form: Form) -> Said:
        try:
            return act(visitor, form)
        except WrongSetting as error:
            name = f"{error.setting}: " if error.setting else ""
            return Said(is_done=False, text=name + _for_a_page(str(error)))

    return done


def _for_a_page(text: str) -> str:
    """Say what is to be done on a page, where a command names its option."""
    return text.replace("say --yes", "tick the box that says you are sure")


def _text(form: Form, name: str) -> str:
    return form.get(name, [""])[0].strip()


def _words(form: Form, name: str) -> list[str]:
    """Read all values of a field; one may hold several, with spaces, commas or line breaks between."""
    return list(dict.fromkeys(word for value in form.get(name, []) for word in value.replace(",", " ").split()))


def _addresses(form: Form) -> list[str]:
    found = _words(form, "address")
    if not found:
        raise WrongSetting("name an address or a network", "address")
    return found


def _is_ticked(form: Form, name: str) -> bool:
    return bool(_text(form, name))


def _length_ms(form: Form) -> int | None:
    """Read for how long; None where nothing is said."""
    text = _text(form, "for")
    if not text:
        return None
    try:
        length_ms = parse_duration_ms(text)
    except ValueError as error:
        raise WrongSetting(str(error), "for") from error
    if length_ms < SECOND_MS:
        raise WrongSetting(f"{text!r} is too short: give a second or more", "for")
    return length_ms


def _letters(form: Form) -> letters.Letters:
    ids, reason = _words(form, "id"), _text(form, "reason")
    if bool(ids) == bool(reason):
        raise WrongSetting("choose the letters, or a reason that they have")
    return letters.Letters(ids, reason or None, yes=_is_ticked(form, "sure"))


def _counted(taken: letters.Taken, which: letters.Letters, done: str) -> Said:
    number = len(taken.letters)
    missing = max(0, len(which.ids) - number)
    text = f"{number:,} {done}"
    if missing:
        text += f"; {missing:,} not there any more, or {letters.HIDDEN}"
    elif not taken.is_all:
        text += "; more may be left: press again"
    return Said(number > 0 and not missing, text, number > 0)


def _outcomes(outcomes: Sequence[Outcome], more: Iterable[str] = ()) -> Said:
    lines = [_line(each) for each in outcomes]
    has_changed = any(map(_has_changed, outcomes))
    return Said(not any(each.is_no for each in outcomes), "\n".join([*lines, *more]), has_changed)


def _has_changed(outcome: Outcome) -> bool:
    """Tell whether something is other than before; where no ban ran, why says what became of the infractions."""
    return not outcome.is_no and (outcome.outcome != lifting.NOTHING or bool(outcome.why))


def _line(outcome: Outcome) -> str:
    jail = f" in jail {plain_text(outcome.jail)}" if outcome.jail else ""
    why = f": {_for_a_page(outcome.why)}" if outcome.why else ""
    what = "no ban runs" if outcome.outcome == lifting.NOTHING else outcome.outcome
    return f"{outcome.shown}{jail}: {what}{_until(outcome)}{why}"


def _until(outcome: Outcome) -> str:
    if outcome.until_ms is None:
        return ""
    return " for ever" if outcome.until_ms >= FOREVER_MS else f" until {moment(outcome.until_ms)}"


def _staying(staying: lifting.Staying) -> Iterable[str]:
    for key, each in staying.around[:_STAYING_SHOWN]:
        yield (
            f"{display(key)} is still banned as {display(each.who.key)} in jail {each.who.jail}: lift that, or "
            f"allow {display(key)}"
        )
    if len(staying.around) > _STAYING_SHOWN:
        yield f"and {len(staying.around) - _STAYING_SHOWN:,} more are still banned by networks around them"
    for network, number in staying.inside.items():
        stay = "ban inside {} stays" if number == 1 else "bans inside {} stay"
        yield f"{number:,} {stay.format(network)}"
