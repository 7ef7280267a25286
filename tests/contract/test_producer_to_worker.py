"""What f2b_producer sends, f2b_worker reads and the schema allows; what it reads today, it reads for ever."""

import ipaddress
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from f2b_producer import Producer
from f2b_producer.testing import RecordingClient, unpack
from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.infractions import Infraction
from f2b_worker.domain.judge.sorting import Sorter
from f2b_worker.wire import Body, read_body, write_pack

settings.register_profile("contract", deadline=None, derandomize=True, database=None)
PROFILE = settings.get_profile("contract")

GOLDEN = sorted((Path(__file__).parent / "golden").glob("v1-*.json"))
SCHEMA = Path(__file__).parents[2] / "docs" / "wire.schema.json"
NOW_MS = 1_763_833_500_123

Report = tuple[str, str, int, str | None, int]
IPS = st.one_of(
    st.sampled_from(["203.0.113.7", "::ffff:203.0.113.7", "2001:DB8::1", "2001:0db8::0.0.0.1"]),
    st.ip_addresses().map(str),
)
JAILS = st.sampled_from(["default", "login", "a.b_c-D", "j" * 64])
NOTES = st.none() | st.text(max_size=250)
WEIGHTS = st.just(1) | st.integers(1, 1000)
REPORTS = st.lists(st.tuples(IPS, JAILS, st.integers(0, 2**43), NOTES, WEIGHTS), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def published() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def sent(reports: list[Report]) -> list[str]:
    """Return the message bodies that the producer sends for *reports*."""
    queue = RecordingClient()
    with Producer("memory:", client=queue) as producer:
        for ip, jail, at_ms, note, weight in reports:
            producer.report(ip, jail=jail, at=at_ms / 1000, note=note, weight=weight)
        assert producer.flush()
        assert not any(producer.stats().refused.values())
    return queue.bodies


def read(body: str, message_id: str = "m") -> Body:
    return read_body(body, message_id=message_id, sent_at_ms=NOW_MS)


@given(reports=REPORTS)
@example(reports=[("203.0.113.7", "default", 0, "\ud800 \x00 \U0001f600", 1000)])
@settings(PROFILE, max_examples=100)
def test_the_worker_reads_what_was_reported(reports: list[Report], published: Draft202012Validator) -> None:
    bodies = sent(reports)
    found = [read(body) for body in bodies]
    assert [one for body in found for one in body.refused] == []
    said = [(each.ip, each.jail, each.at_ms, each.weight) for body in found for each in body.infractions]
    assert said == [(ip, jail, at_ms, weight) for ip, jail, at_ms, _, weight in reports]
    for body in bodies:
        published.validate(json.loads(body))


@given(reports=REPORTS)
@settings(PROFILE, max_examples=50)
def test_notes_arrive_cut_to_200_characters(reports: list[Report]) -> None:
    notes = [each.note or "" for body in sent(reports) for each in read(body).infractions]
    assert notes == [(note or "")[:200] for *_, note, _ in reports]


@given(reports=REPORTS)
@settings(PROFILE, max_examples=50)
def test_the_producers_own_reader_says_what_the_worker_reads(reports: list[Report]) -> None:
    for body in sent(reports):
        seen = [(ip, jail, round(at_s * 1000), *more) for ip, jail, at_s, *more in unpack(body)]
        found = read(body).infractions
        assert seen == [(each.ip, each.jail, each.at_ms, each.note, each.weight) for each in found]


@given(reports=REPORTS)
@settings(PROFILE, max_examples=50)
def test_every_address_that_the_producer_takes_the_worker_takes(reports: list[Report]) -> None:
    infractions = [each for body in sent(reports) for each in read(body).infractions]
    found = Sorter(Policy(), None).sort_out(infractions, now_ms=2**43)
    assert found.refused == []
    assert sum(map(len, found.hits.values())) + found.ignored.total() == len(reports)


@given(ip=st.text("0123456789abcdef:./%x -", max_size=20) | st.ip_addresses().map(str))
@example(ip="203.0.113.07")
@example(ip="fe80::1%eth0")
@settings(PROFILE, max_examples=100)
def test_both_sides_agree_on_what_an_address_is(ip: str) -> None:
    queue = RecordingClient()
    with Producer("memory:", client=queue) as producer:
        producer.report(ip, at=NOW_MS / 1000)
        taken = not any(producer.stats().refused.values())
    found = Sorter(Policy(), None).sort_out([Infraction(ip, "default", NOW_MS, "i")], now_ms=NOW_MS)
    assert taken is (found.refused == [])


def test_a_pack_that_is_sent_again_is_the_same_infractions() -> None:
    [body] = sent([("203.0.113.7", "login", NOW_MS, None, 1)] * 3)
    first, again = read(body, "first message"), read(body, "second message")
    assert first == again
    assert len({each.id for each in first.infractions}) == 3


def test_two_packs_of_the_same_reports_are_different_infractions() -> None:
    reports: list[Report] = [("203.0.113.7", "login", NOW_MS, None, 1)]
    ids = {each.id for body in sent(reports) + sent(reports) for each in read(body).infractions}
    assert len(ids) == 2


def test_address_objects_and_moments_are_read_as_their_text() -> None:
    queue = RecordingClient()
    with Producer("memory:", client=queue) as producer:
        producer.report(ipaddress.ip_address("2001:db8::1"), at=datetime(2026, 11, 22, 17, 45, tzinfo=UTC))
    [infraction] = read(queue.bodies[0]).infractions
    assert (infraction.ip, infraction.at_ms) == ("2001:db8::1", 1_795_369_500_000)


@given(reports=REPORTS)
@settings(PROFILE, max_examples=50)
def test_what_the_shim_writes_is_allowed_by_the_schema_and_read(
    reports: list[Report], published: Draft202012Validator
) -> None:
    plain = [(ip, jail, at_ms) for ip, jail, at_ms, *_ in reports]
    body = write_pack(plain)
    published.validate(json.loads(body))
    assert [(each.ip, each.jail, each.at_ms) for each in read(body).infractions] == plain


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(request.param.read_text("utf-8"))
    return loaded


def test_a_message_of_version_1_is_read_for_ever_as_it_was(
    golden: dict[str, Any], published: Draft202012Validator
) -> None:
    body = read_body(json.dumps(golden["body"]), message_id=golden["message_id"], sent_at_ms=golden["sent_at_ms"])
    expected = [{"weight": 1} | each for each in golden["infractions"]]  # the oldest files know no weights
    assert [each._asdict() for each in body.infractions] == expected
    assert [each.reason for each in body.refused] == golden["refused"]
    assert published.is_valid(golden["body"]) is not bool(golden["refused"])


def test_both_forms_have_golden_messages() -> None:
    names = [path.stem.split("-")[1] for path in GOLDEN]
    assert set(names) == {"simple", "list", "packed"}
