"""The queue of these tests is away as real ones are, and comes back where it was."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from f2b_producer._infraction import read
from f2b_producer._pack import encode
from tests.servers.local_queue import LocalQueue, Mood

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def queue() -> Iterator[LocalQueue]:
    with LocalQueue() as served:
        yield served


def entry(note: str) -> dict[str, str]:
    (pack,) = encode([read("192.0.2.1", "login", None, note, 1, None)])
    return {"Id": pack.id, "MessageBody": pack.body}


def connected(queue: LocalQueue) -> http.client.HTTPConnection:
    where = urlsplit(queue.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    connection.connect()
    return connection


def send(connection: http.client.HTTPConnection, *entries: dict[str, str]) -> int:
    connection.request("POST", "/", json.dumps({"Entries": entries}))
    response = connection.getresponse()
    response.read()
    return response.status


def test_a_message_that_is_sent_twice_counts_once(queue: LocalQueue) -> None:
    connection = connected(queue)
    once, again = entry("a"), entry("a")

    assert [send(connection, once), send(connection, once)] == [200, 200]
    assert queue.arrived == {"a": 1}
    send(connection, again)
    assert queue.arrived == {"a": 2}
    connection.close()


def test_a_queue_that_refuses_cuts_who_is_there_and_comes_back_on_its_port(queue: LocalQueue) -> None:
    before, url = connected(queue), queue.url
    send(before, entry("a"))

    queue.mood = Mood.REFUSES
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        send(before, entry("b"))
    with pytest.raises(ConnectionRefusedError):
        connected(queue)
    queue.mood = Mood.ANSWERS

    after = connected(queue)
    assert send(after, entry("c")) == 200
    assert (set(queue.arrived), queue.url) == ({"a", "c"}, url)
    before.close()
    after.close()


def test_a_queue_that_hangs_takes_nothing_and_cuts_who_waited_when_it_comes_back(queue: LocalQueue) -> None:
    queue.mood = Mood.HANGS
    connection = connected(queue)
    ends: list[BaseException] = []

    def wait() -> None:
        with pytest.raises((ConnectionError, http.client.HTTPException)) as ended:
            send(connection, entry("a"))
        ends.append(ended.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert queue.wait_until_it_holds(1)
    queue.mood = Mood.ANSWERS
    waiting.join()

    assert (len(ends), dict(queue.arrived)) == (1, {})
    connection.close()


@pytest.mark.parametrize(("mood", "status"), [(Mood.BUSY, 503), (Mood.DENIES, 403)])
def test_a_queue_that_answers_by_an_error_takes_nothing(queue: LocalQueue, mood: Mood, status: int) -> None:
    queue.mood = mood
    connection = connected(queue)

    assert send(connection, entry("a")) == status
    assert dict(queue.arrived) == {}
    connection.close()
