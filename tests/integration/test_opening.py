"""What a worker and its commands open in AWS: one ports a Region, and the notes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.lease import RENEW_S, TAKEOVER_S
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.blocklists import Blocklist, Scope
from f2b_worker.domain.jails import DAY_MS, SECOND_MS, Policy
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.errors import Missing
from f2b_worker.ports import Changes, Notes, StandingBan
from f2b_worker.process.assembly import begin_as_scribe, open_ledger
from f2b_worker.process.opening import open_notebooks
from f2b_worker.process.regions import open_regions
from f2b_worker.testing import FakeClock
from tests.integration.provisioning import NAMES, Cloud, provisioned, refusal, run, start

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = WorkerSettings(queue="bans", table="ledger")
BLOCKLISTS = (
    Blocklist("block", ("block",)),
    Blocklist("captcha", ("doubt",)),
    Blocklist("edge", ("edge",), scope=Scope.CLOUDFRONT),
)
CONFIG = "[blocklists.captcha]\nip_set = 'doubt'\n[blocklists.edge]\nip_set = 'edge'\nscope = 'CLOUDFRONT'\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "f2b.toml"
    path.write_text(CONFIG)
    return path


class TestRegions:
    @pytest.mark.usefixtures("cloud")
    @pytest.mark.parametrize(
        ("home", "together"),
        [
            ("us-east-1", {"us-east-1": ["block", "captcha", "edge"]}),
            ("eu-central-1", {"eu-central-1": ["block", "captcha"], "us-east-1": ["edge"]}),
        ],
    )
    def test_blocklists_that_are_reached_in_one_region_have_one_enforcer_and_so_one_budget(
        self,
        config: Path,
        home: str,
        together: dict[str, list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("AWS_REGION", home)
        monkeypatch.setenv("AWS_DEFAULT_REGION", home)
        provisioned(*NAMES, "--config", str(config))
        regions = open_regions(SETTINGS, BLOCKLISTS, FakeClock())
        assert {ports.region: [each.name for each in ports.blocklists] for ports in regions} == together
        found = {name: sets for ports in regions for name, sets in ports.finder.find().items()}
        assert {name: [each.name for each in sets] for name, sets in found.items()} == {
            "block": ["block-ipv4", "block-ipv6"],
            "captcha": ["doubt-ipv4", "doubt-ipv6"],
            "edge": ["edge-ipv4", "edge-ipv6"],
        }
        (ip_set, _) = found["edge"]
        assert ":us-east-1:" in ip_set.id
        ip_set.write(["192.0.2.1/32"], ip_set.read().token)
        assert all(ports.lease.hold() for ports in regions)

    @pytest.mark.usefixtures("cloud")
    def test_every_kind_of_note_is_read_beside_the_bans(self, config: Path) -> None:
        provisioned(*NAMES, "--config", str(config))
        (ports,) = open_regions(SETTINGS, BLOCKLISTS, FakeClock())
        foreign, networks = frozenset({"192.0.2.1/32"}), frozenset({"203.0.113.0/24", "2001:db8::/48"})
        ports.notebook.note_entries("foreign", "arn:v4", foreign)
        ports.notebook.note_entries("networks", "arn:v6", networks)
        ports.notebook.note_swept({"arn:v4": 5})
        ports.notebook.note_surge(7)
        assert list(ports.bans.standing()) == []
        assert ports.notebook.read() == Notes({"arn:v4": foreign}, 7, None, {"arn:v6": networks}, {"arn:v4": 5})

    @pytest.mark.usefixtures("cloud")
    def test_workers_with_other_blocklists_never_enforce_in_one_region_at_once_and_know_of_each_other(
        self, config: Path
    ) -> None:
        provisioned(*NAMES, "--config", str(config))
        (old,) = open_regions(SETTINGS, BLOCKLISTS[:1], FakeClock())
        (new,) = open_regions(SETTINGS, BLOCKLISTS[:2], FakeClock())
        assert old.lease.hold()
        assert not new.lease.hold()
        assert old.conflict is None
        assert new.conflict == (
            "us-east-1: the worker that enforces has other blocklists: block (block REGIONAL keep);"
            " this one: block (block REGIONAL keep), captcha (doubt REGIONAL keep)"
        )

    @pytest.mark.usefixtures("cloud")
    def test_the_lease_is_renewed_while_many_sets_are_found(self) -> None:
        provisioned(*NAMES)
        clock, other_clock = FakeClock(), FakeClock()
        (ports,) = open_regions(SETTINGS, BLOCKLISTS[:1], clock)
        (other,) = open_regions(SETTINGS, BLOCKLISTS[:1], other_clock)
        assert ports.lease.hold()
        assert not other.lease.hold()
        for each in (clock, other_clock):
            each.advance(TAKEOVER_S - 1)
        ports.finder.find()
        other_clock.advance(RENEW_S)
        assert not other.lease.hold()

    def test_without_a_blocklist_there_is_nothing_to_open(self, cloud: Cloud) -> None:
        assert open_regions(SETTINGS, (), FakeClock()) == []
        assert cloud.aws.edge.calls() == {}

    @pytest.mark.usefixtures("cloud")
    def test_a_set_of_two_blocklists_keeps_a_worker_from_starting(self, config: Path) -> None:
        config.write_text("[blocklists.captcha]\nip_set = 'block-ipv4'\n")
        provisioned(*NAMES)
        told = refusal(start(*NAMES, "--config", str(config)))
        assert "IP set block-ipv4 belongs to two blocklists, captcha and block: give each sets of its own" in told

    @pytest.mark.usefixtures("cloud")
    def test_a_blocklist_of_which_no_set_exists_is_named(self) -> None:
        provisioned(*NAMES)
        with pytest.raises(Missing, match="IP set doubt: neither it nor doubt-ipv4 nor doubt-ipv6 exists"):
            open_regions(SETTINGS, BLOCKLISTS[:2], FakeClock())

    @pytest.mark.usefixtures("cloud")
    def test_the_line_about_a_missing_set_of_the_files_blocklists_names_a_command_that_makes_it(
        self, config: Path
    ) -> None:
        provisioned(*NAMES)
        told = refusal(start(*NAMES, "--config", str(config)))
        command = told.partition("f2b provision ")[2].split()
        assert command[-2:] == ["--config", str(config)]
        provisioned(*command)
        assert len(open_regions(SETTINGS, BLOCKLISTS, FakeClock())) == 1


class TestRelease:
    @pytest.mark.usefixtures("cloud")
    def test_nothing_that_is_held_back_is_nothing_to_release(self) -> None:
        provisioned(*NAMES[:4])
        for _ in range(2):
            answer = run("release", "--table", "ledger")
            assert (answer.exit_code, answer.output) == (0, "no bans are held back: there is nothing to release\n")

    @pytest.mark.usefixtures("cloud")
    def test_it_says_since_when_and_how_many_wait_and_releases_every_region(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        provisioned(*NAMES[:4])
        now_ms = 1_700_000_000 * SECOND_MS
        long_ms = 10**12
        ledger = open_ledger(SETTINGS, Policy(), SystemClock())
        for number, (start_ms, length_ms, observed) in enumerate(
            [(now_ms - 1, long_ms, False), (now_ms, long_ms, False), (now_ms, 1, False), (now_ms, long_ms, True)]
        ):
            who = OffenderId("login", f"192.0.2.{number}/32")
            ban = Ban(start_ms, start_ms + length_ms, 1, length_ms, observed=observed)
            stored = ledger.commit({who: Decision(ledger.offender(who), ban)})[who]
            assert isinstance(stored, Offender)
            ledger.publish({who: stored})
        ledger.close()
        notebooks = open_notebooks(SETTINGS)
        assert list(notebooks) == ["eu-central-1", "us-east-1"]
        for each in notebooks.values():
            each.note_surge(now_ms)

        lines = run("release", "--table", "ledger").output.splitlines()

        told = "released what was held back since 2023-11-14 22:13:20Z, 1 active ban from then on"
        assert lines == [f"{region}: {told}" for region in notebooks]
        notes = [each.read() for each in notebooks.values()]
        assert [each.held_back_from_ms for each in notes] == [None, None]
        assert all((each.released_ms or 0) > now_ms for each in notes)

    @pytest.mark.usefixtures("cloud")
    def test_bans_that_a_fast_clock_dated_into_the_future_are_released_too(self) -> None:
        provisioned(*NAMES[:4])
        notebook = open_notebooks(SETTINGS)["us-east-1"]
        notebook.note_surge(10**15)
        assert run("release", "--table", "ledger").exit_code == 0
        assert notebook.read().held_back_from_ms is None

    @pytest.mark.usefixtures("cloud")
    @pytest.mark.parametrize("command", [("release",), ("list",), ("explain", "192.0.2.1")])
    def test_a_missing_table_is_named_with_a_command_that_makes_it(self, command: tuple[str, ...]) -> None:
        told = refusal(run(*command, "--table", "ledger"))
        assert told.startswith("f2b: table ledger: ")
        assert "check that --table, Region and account are those of the workers" in told
        provisioned(*told.partition("f2b provision ")[2].split())
        assert run(*command, "--table", "ledger").exit_code == 0


def test_what_a_worker_lifts_for_the_allowlist_is_remembered_for_the_days_that_are_set(cloud: Cloud) -> None:
    provisioned(*NAMES[:4])
    assert run("allow", "add", "203.0.113.7", "--table", "ledger").exit_code == 0
    settings, clock = SETTINGS.model_copy(update={"audit_days": 30}), SystemClock()
    now_ms = clock.now_ms()
    who, ban = OffenderId("login", "203.0.113.7/32"), Ban(now_ms, now_ms + 600_000, 1, 600_000)
    open_ledger(settings, Policy(), clock).commit({who: Decision(Offender(), ban)})
    pardoning = begin_as_scribe(cloud.dynamodb, settings, clock, Policy).pardoning
    for bans in ((), (StandingBan(who, ban),)):
        pardoning.heed(Changes(bans))
    items = cloud.dynamodb.scan(TableName="ledger")["Items"]
    (kept_s,) = [int(each["ttl"]["N"]) for each in items if each.get("verb") == {"S": "unban"} and "what" in each]
    assert abs(kept_s * SECOND_MS - now_ms - 30 * DAY_MS) < 60 * SECOND_MS
