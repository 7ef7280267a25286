import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, cast

from f2b_producer._aws import connect, find_credentials, may_heal
from f2b_producer._interrupted import is_exit, is_green
from f2b_producer._pack import Pack
from f2b_producer._queue import QueueClient
from f2b_producer._quiet import hush, sending
from f2b_producer._renewal import Renewal, Silence
from f2b_producer._traces import ENTRY_BYTES, PackSpans

BATCH_MAX_ENTRIES = 10
BATCH_MAX_BYTES = 262_144  # 256 KiB: what a queue made before the limit rose to 1 MiB still takes
ROUND_MAX_ATTEMPTS = 4
ROUND_MAX_S = 10.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
ERROR_MAX_CHARACTERS = 300


class Outcome(NamedTuple):
    """What became of one batch.

    Attributes:
        sent: Confirmed by the queue.
        failed: To be sent again, unchanged.
        malformed: Refused by the queue for what they are; sending them again would change nothing.
        error: The first failure in one line, None if there was none.
    """

    sent: list[Pack]
    failed: list[Pack]
    malformed: list[Pack]
    error: str | None


class Sender:
    """Sends batches of packs with the client it was given, or with one of its own made at first use.

    Its own is made anew when a new one may do better, as after a change of credentials.

    Args:
        queue_url: The queue.
        client: None makes one.
        message_group_id: Whose share of the queue the messages take, on a fair queue.
        clock: Seconds that only go forward.
        wall: Seconds that go on while the machine sleeps, but may be set.
    """

    def __init__(
        self,
        queue_url: str,
        client: QueueClient | None,
        *,
        message_group_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.queue_url = queue_url
        self._group = {} if message_group_id is None else {"MessageGroupId": message_group_id}
        self._given = client
        if client is not None:
            hush()  # `connect` does it for ours
        self._renewal = Renewal(clock)
        self._silence = Silence(clock, wall)
        self.forget_client()

    def forget_client(self) -> None:
        """Drop the client made here: after a fork its connections belong to the parent."""
        self._client = self._given
        self._unmade = ""  # why there is no client, in one line
        self._doubted = False  # whether a new client may do better
        self._renewal.succeeded()

    def warm_up(self) -> bool:
        """Make the client now, if there is none, and find its credentials; return whether both went well.

        It never raises, but for Ctrl-C and what another signal's handler raises in it.
        """
        if self._given is not None:
            return True
        try:
            with sending():
                client = (None if self._doubted else self._client) or connect(self.queue_url)
                find_credentials(client)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the first attempt to send will say what is missing
            if is_exit(error):
                raise
            return False
        self._client, self._doubted = client, False
        return True

    def send(self, packs: Sequence[Pack], within_s: float | None = None) -> Outcome:
        """Send one batch, once. An error makes every pack a failed one; what a signal's handler raises is raised.

        Args:
            packs: What to send.
            within_s: Seconds that the call may take, if the caller's thread waits for it. A client that was
                given keeps its own timeouts.
        """
        try:
            with sending():
                outcome = self._sent(packs, within_s)
        except KeyboardInterrupt:  # of who waits for the end of the process, in the thread that sends then
            raise
        except BaseException as error:  # whatever a client or a handler raises, the infractions stay
            if is_exit(error) and (within_s is not None or is_green()):
                raise
            return Outcome([], list(packs), [], self._doubt(error))
        self._doubted = False
        self._renewal.succeeded()
        return outcome

    def _sent(self, packs: Sequence[Pack], within_s: float | None) -> Outcome:
        spans = PackSpans(packs, self.queue_url)
        # A call that is full to the limit of an older queue carries no traces.
        has_room = sum(len(pack.body) + ENTRY_BYTES for pack in packs) <= BATCH_MAX_BYTES
        entries = [
            {
                "Id": pack.id,
                "MessageBody": pack.body,
                **self._group,
                **(spans.attributes(pack) if has_room else {}),
            }
            for pack in packs
        ]
        with spans.ended():
            outcome = _outcome(packs, self._call(entries, within_s))
            spans.tell((*outcome.failed, *outcome.malformed), outcome.error)
        return outcome

    def _call(self, entries: Sequence[Any], within_s: float | None) -> Any:
        client = self._connected(within_s)
        try:
            return client.send_message_batch(QueueUrl=self.queue_url, Entries=entries)
        finally:
            if client is not self._client:  # made for this call
                _hang_up(client)

    def _connected(self, within_s: float | None) -> QueueClient:
        """Return the client to send with now, made or connected anew if need be."""
        if self._given is None:
            if within_s is not None:
                return connect(self.queue_url, within_s)  # a client's timeouts cannot be changed later
            if (self._client is None or self._doubted) and self._renewal.due():
                self._renew()
            elif self._client is not None and self._silence.is_long():
                _hang_up(self._client)
            self._silence.end()
        if self._client is None:
            raise _NotDueError
        return self._client

    def _renew(self) -> None:
        outdated, self._client = self._client, connect(self.queue_url)  # stays in use if this raises
        self._doubted = False
        if outdated is not None:
            _hang_up(outdated)

    def _doubt(self, error: BaseException) -> str:
        """Take note of what went wrong, and return it in one line."""
        if isinstance(error, _NotDueError):
            return self._unmade
        told = _one_line(f"{type(error).__name__}: {error}")
        if self._given is None:
            if self._client is None:
                self._unmade = told
            else:
                self._doubted = self._doubted or may_heal(error)
        return told


class _NotDueError(Exception):
    """No client could be made, and the pause before the next attempt is not over."""


def deliver(
    send: Callable[[Sequence[Pack]], Outcome],
    packs: list[Pack],
    *,
    settle: Callable[[Outcome], None],
    wait: Callable[[float], bool],
    clock: Callable[[], float],
) -> list[Pack]:
    """Make one round of attempts and return the packs that are still unsent.

    Args:
        send: Sends one batch.
        packs: What to send; failed ones are sent again as they are, so the queue sees the same ids.
        settle: Told the outcome of every call.
        wait: Waits so many seconds; False ends the round.
        clock: Seconds that only go forward.
    """
    started_s = clock()
    for attempt in count(1):
        packs = _attempt(send, packs, settle)
        if not packs:
            break
        delay_s = backoff_s(attempt, clock() - started_s, jitter())
        if delay_s is None or not wait(delay_s):
            break
    return packs


def backoff_s(attempt: int, elapsed_s: float, chance: float) -> float | None:
    """Return the seconds to wait after failed *attempt* (from 1), or None if the round is over."""
    if attempt >= ROUND_MAX_ATTEMPTS or elapsed_s >= ROUND_MAX_S:
        return None
    return float(min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (attempt - 1)) * (0.5 + chance / 2))


def jitter() -> float:
    """Return a random number from 0 to 1 that forks do not share."""
    return int.from_bytes(os.urandom(2)) / 65_535


def batches(packs: Sequence[Pack]) -> Iterator[list[Pack]]:
    """Split *packs* into batches that one SendMessageBatch call takes, in order."""
    batch: list[Pack] = []
    batch_bytes = 0
    for pack in packs:
        if batch and (len(batch) == BATCH_MAX_ENTRIES or batch_bytes + len(pack.body) > BATCH_MAX_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(pack)
        batch_bytes += len(pack.body)
    if batch:
        yield batch


def _attempt(
    send: Callable[[Sequence[Pack]], Outcome], packs: list[Pack], settle: Callable[[Outcome], None]
) -> list[Pack]:
    unsent: list[Pack] = []
    done = 0
    for batch in batches(packs):
        outcome = send(batch)
        settle(outcome)
        unsent += outcome.failed
        done += len(batch)
        if len(outcome.failed) == len(batch):
            break  # the queue is away: do not ask it once for each batch
    return unsent + packs[done:]


def _outcome(packs: Sequence[Pack], response: Mapping[str, Any]) -> Outcome:
    succeeded = {entry["Id"] for entry in response.get("Successful") or ()}
    failures = {entry["Id"]: entry for entry in response.get("Failed") or ()}
    sent = [pack for pack in packs if pack.id in succeeded]
    unsent = [pack for pack in packs if pack.id not in succeeded]
    malformed = [pack for pack in unsent if _blames_the_message(failures.get(pack.id, {}))]
    failed = [pack for pack in unsent if pack not in malformed]
    blamed = malformed or failed
    return Outcome(sent, failed, malformed, _failure(failures.get(blamed[0].id, {})) if blamed else None)


def _blames_the_message(failure: Mapping[str, Any]) -> bool:
    # Throttling and a key that may not be used count as the sender's fault too, but they pass.
    code = str(failure.get("Code", "")).lower()
    passes = "throttl" in code or "kms" in code or "overlimit" in code or "denied" in code
    return failure.get("SenderFault") is True and not passes


def _failure(failure: Mapping[str, Any]) -> str:
    return _one_line(f"{failure.get('Code', 'not confirmed')}: {failure.get('Message', '')}")


def _hang_up(client: QueueClient) -> None:
    with contextlib.suppress(Exception):
        cast("Any", client).close()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:ERROR_MAX_CHARACTERS]
