"""SQS as the queue that the shim sends to."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.sqs.hedging import Hedging
from f2b_worker.adapters.threads import Threads
from f2b_worker.errors import AccessDenied, F2bError, Retryable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_sqs import SQSClient

    from f2b_worker.adapters.sqs.hedging import SqsCalls

ATTEMPTS_MAX = 3
_PAUSE_S = 0.05
_LOOK_WITHIN_S = 1.7  # as long as an infraction may take to be stored: a slow queue is ready, too


class SqsQueue:
    """The queue that the shim sends message bodies to."""

    def __init__(self, calls: SqsCalls, *, queue_url: str) -> None:
        self._calls = calls
        self._sending = Hedging(calls)
        self._queue_url = queue_url

    async def send(
        self, bodies: Sequence[str], *, within_s: float, followed_s: float = 0.0
    ) -> list[F2bError | None]:
        """Send up to ten bodies in one batch; what failed for the moment is tried again within *within_s*.

        A call that is not answered is no failure: it has the whole time. Only what says that it is lost is tried
        again: an error, a connection that broke or was refused, an entry that failed.

        Args:
            bodies: What is sent; each has a name in it, so that sending it twice does no harm.
            within_s: How long somebody waits: no try begins later.
            followed_s: How much longer an answer is awaited.

        Returns:
            For each body None when SQS has stored it, or why it has not.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + within_s
        outcomes: list[F2bError | None] = [Unavailable("not sent")] * len(bodies)
        left = list(range(len(bodies)))
        for attempt in range(1, ATTEMPTS_MAX + 1):
            found = await self._attempt({place: bodies[place] for place in left}, ends_s - loop.time(), followed_s)
            for place in left:
                outcomes[place] = found[place]
            left = [place for place in left if isinstance(outcomes[place], Retryable)]
            pause_s = _PAUSE_S * attempt * random.uniform(1, 2)  # noqa: S311 - no secret
            if not left or loop.time() + pause_s >= ends_s:
                break
            await asyncio.sleep(pause_s)
        return outcomes

    async def check(self) -> None:
        """Return if the queue answers; a policy that allows nothing but sending is no failure."""
        parameters = {"QueueUrl": self._queue_url, "AttributeNames": ["QueueArn"]}
        try:
            answer = await self._looked("GetQueueAttributes", parameters)
        except AccessDenied as error:
            if not error.by_policy:
                raise
        else:
            part_of(answer, "Attributes", "looking at the queue", dict)

    async def close(self) -> None:
        """Let go of connections."""
        await self._calls.close()

    async def _attempt(
        self, bodies: Mapping[int, str], within_s: float, followed_s: float
    ) -> dict[int, F2bError | None]:
        entries = [{"Id": str(place), "MessageBody": body} for place, body in bodies.items()]
        parameters = {"QueueUrl": self._queue_url, "Entries": entries}
        try:
            answer = await self._sending.call(
                "SendMessageBatch", parameters, within_s=within_s, followed_s=followed_s
            )
        except F2bError as error:
            return dict.fromkeys(bodies, error)
        try:
            with odd_answers("sending infractions"):
                stored = {each["Id"] for each in answer.get("Successful") or ()}
                failed = {each["Id"]: each for each in answer.get("Failed") or ()}
        except F2bError as error:
            return dict.fromkeys(bodies, error)
        return {
            place: None if str(place) in stored else _failure_of(failed.get(str(place), {})) for place in bodies
        }

    async def _looked(self, action: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(_LOOK_WITHIN_S):
                return await self._calls.call(action, parameters)
        except TimeoutError as error:
            raise Unavailable(f"{action}: no answer within {_LOOK_WITHIN_S:.1f} s") from error


def _failure_of(entry: Mapping[str, Any]) -> F2bError:
    code = str(entry.get("Code", "InternalFailure"))
    answer = {"Error": {"Code": code, "Message": str(entry.get("Message") or code)}}
    try:
        with aws_errors("sending infractions"):
            raise ClientError(answer, "SendMessageBatch")  # type: ignore[arg-type]  # the shape that botocore makes
    except F2bError as error:
        # The sender's fault is permanent; anything else may pass: what SQS says of an entry is no fixed list.
        return error if entry.get("SenderFault") else Unavailable(str(error))


class BotoCalls:
    """Calls SQS through boto3 in threads: slower by a factor of five, and it knows proxies.

    Args:
        client: With as many connections as *calls_max*.
        calls_max: How many calls are under way at once, at most.
    """

    def __init__(self, client: SQSClient, *, calls_max: int) -> None:
        self._methods = {
            "SendMessageBatch": client.send_message_batch,
            "GetQueueAttributes": client.get_queue_attributes,
        }
        self._client = client
        self._threads = Threads(calls_max, "sqs")

    async def call(self, action: str, parameters: Mapping[str, Any], *, anew: bool = False) -> Mapping[str, Any]:
        """Make one call in a thread, over whichever connection. Cancelled, it goes on there, unheard."""
        del anew  # boto3 chooses the connections; on the way through a proxy they lead to that alone

        def run() -> Mapping[str, Any]:
            with aws_errors(action):
                return self._methods[action](**parameters)  # type: ignore[operator, no-any-return]

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def close(self) -> None:
        """Let go of connections; calls under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()
