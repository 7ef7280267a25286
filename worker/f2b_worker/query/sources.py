"""All that pages may ask: one object, for any number of threads at once. Its answers are those of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.acts.allowlist import counting
from f2b_worker.domain.addresses import is_key, network_of
from f2b_worker.errors import Unavailable
from f2b_worker.process.opening import open_tally
from f2b_worker.query.allowed import everybody_allowed
from f2b_worker.query.audit_reader import AuditReader
from f2b_worker.query.ban_pages import BanPages
from f2b_worker.query.groups import counted, grouping, largest
from f2b_worker.query.letter_reader import LetterReader
from f2b_worker.query.lookup import asked_in
from f2b_worker.query.memo import Memo
from f2b_worker.query.pages import PER_PAGE, Groups
from f2b_worker.query.search import Search
from f2b_worker.query.series import Series, SeriesReader
from f2b_worker.query.story import story
from f2b_worker.query.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.ports import Clock
    from f2b_worker.query.allowed import Allowed
    from f2b_worker.query.following import Snapshot
    from f2b_worker.query.pages import AuditPage, BanPage, Letters
    from f2b_worker.query.story import Story

SERIES_KEPT_S = 5.0
"""So long the same numbers over time are shown again: they are counted by the minute."""

GROUPS_KEPT_S = 5.0
"""So long the same numbers are shown again, though bans change meanwhile: to count 50,000 bans takes 0.1 s."""


class Sources:
    """All that pages may ask. Whatever it asks may block, and raises errors of ours alone.

    Args:
        settings: They say where ledger, queue and IP sets are.
        jails: What the file says.
        view: Follows the fleet; one is made and started if there is none.
        clock: The time.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        jails: Jails,
        view: View | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self.view = view or View(settings, jails, self._clock)
        if view is None:
            self.view.start()
        self._pages = BanPages(settings, self._clock)
        self._groups = Memo[Groups](self._clock, GROUPS_KEPT_S)
        self._letters = LetterReader(settings, self._clock)
        self._audit = AuditReader(settings, self._clock)
        self._series = Memo[Series](self._clock)
        self._series_reader: SeriesReader | None = None

    @property
    def jails(self) -> Jails:
        """What the file says now."""
        return self.view.jails

    def close(self) -> None:
        """End what follows the fleet."""
        self.view.close()

    def now_ms(self) -> int:
        """Tell the time."""
        return self._clock.now_ms()

    def snapshot(self) -> Snapshot:
        """Answer what is known now, the bans at least, and say that somebody looks.

        Raises:
            F2bError: If nothing is known, and why.
        """
        return self.view.fresh()

    def whole_snapshot(self) -> Snapshot:
        """Answer likewise for who shows more than the bans: what is not known is not shown as if there were none.

        Raises:
            F2bError: If nothing but the bans is known, and why.
        """
        found = self.snapshot()
        if not found.is_rest_known:
            raise Unavailable(str(found.rest_problem))
        return found

    def bans(self, search: Search | None = None, sort: str = "until", page: int = 1) -> BanPage:
        """Answer a page of the running bans that are looked for; a page that is not there is the last one.

        Args:
            search: Which; None: all.
            sort: What comes first: see `SORTS`.
            page: Which page, from 1 on.

        Raises:
            F2bError: If nobody can tell.
        """
        return self._pages.page(self.snapshot(), search or Search(), sort, page)

    def newest(self, number: int = 10) -> BanPage:
        """Answer the bans that began last."""
        return self._pages.page(self.snapshot(), Search(), "start", 1, number)

    def around(self, network: str, number: int = PER_PAGE) -> BanPage:
        """Answer the bans of the neighbours of an address, in its /24 or /48, and of the networks around it.

        Args:
            network: The address or network, in canonical form.
            number: So many at most.
        """
        wider = network_of(network, ipv4_prefix=24, ipv6_prefix=48) if is_key(network) else None
        return self._pages.page(self.snapshot(), Search(q=wider or network), "ip", 1, number)

    def story(self, text: str) -> Story:
        """Tell all of one address or network; how far a ban is enforced, by what is known of the IP sets.

        Raises:
            ValueError: If it is neither.
            F2bError: If nobody can tell.
        """
        asked, seen = asked_in(text, self.jails.policy), self.snapshot()
        self._need_the_ledger()
        return story(self.settings, self.jails, asked, seen=seen)

    def groups(self, by: str, *, top: int = 100) -> Groups:
        """Count the running bans.

        Args:
            by: By what: a name in `GROUPS`, or `COUNTRY`.
            top: So many groups at most.

        Raises:
            StartError: If it is by country, and nothing here knows countries.
            F2bError: If nobody can tell.
        """
        group_of = grouping(by)
        found = self.snapshot()

        def make() -> tuple[Groups, bool]:
            numbers = counted(found.standing, group_of, now_ms=self.now_ms())
            return Groups(by, largest(numbers, by, top), sum(numbers.values())), True

        return self._groups.of(found.number, (by, top), make)

    def audit(self, page: int = 1, *, per_page: int = PER_PAGE) -> AuditPage:
        """Tell who did what, the newest first, as long ago as acts are kept by these settings.

        Args:
            page: Which page, from 1 on.
            per_page: So many acts are a page.

        Raises:
            F2bError: If nobody can tell.
        """
        self._need_the_ledger()
        return self._audit.page(page, per_page)

    def series(self, length_ms: int) -> Series:
        """Tell how many infractions, bans and unbans there were, by jail and step, seven days at most.

        Args:
            length_ms: For how long, up to now.

        Raises:
            F2bError: If nobody can tell.
        """
        period = 1 + int(self._clock.monotonic_s() // SERIES_KEPT_S)
        return self._series.of(period, length_ms, lambda: (self._read_series(length_ms), True))

    def _read_series(self, length_ms: int) -> Series:
        self._need_the_ledger()
        if self._series_reader is None:
            self._series_reader = SeriesReader(open_tally(self.settings))
        return self._series_reader.read(length_ms, self.now_ms())

    def _need_the_ledger(self) -> None:
        """Refuse at once what a ledger that hangs would keep waiting: each open page has a thread until then."""
        known = self.snapshot()
        if known.is_ledger_away:
            raise Unavailable(str(known.problem))

    def letters(self, within_s: float | None = None) -> Letters:
        """Tell of the dead letters, half a minute old at most; what keeps them from being read is told in them.

        Args:
            within_s: The longest wait for them; None: as long as somebody waits for a page.
        """
        return self._letters.letters(within_s)

    def forget_letters(self) -> None:
        """Read the dead letters again when somebody asks next: some were put back, or dropped."""
        self._letters.forget()

    def allowlist(self) -> Sequence[Allowed]:
        """List whom nobody bans, by ledger and file.

        Raises:
            F2bError: If nobody can tell.
        """
        found = self.whole_snapshot()
        return list(everybody_allowed(counting(found.entries, self.now_ms()), self.jails))
