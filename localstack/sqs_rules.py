"""What the edge adds to an emulator's SQS: prompt long polls, and deletes that AWS would accept."""

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from localstack.delivery import Delivery, Forward
from localstack.edge_http import Request, Response, json_response
from localstack.faults import ApiError
from localstack.newness import Newness

LONGEST_WAIT_S = 20
LONGEST_DELAY_S = 900
LOOK_AGAIN_S = 0.2
WAKING_ACTIONS = frozenset({"SendMessage", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"})
URL_ACTIONS = frozenset({"CreateQueue", "GetQueueUrl", "ListQueues"})
_UUID_HANDLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Waiters:
    """Receivers that wait, by queue: whoever has waited longest is woken first."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._wakes: dict[str, int] = defaultdict(int)

    def wakes(self, queue: str) -> int:
        """How often the queue has been woken: tells a receiver whether it missed a call."""
        return self._wakes[queue]

    def wake(self, queue: str) -> None:
        """Let one receiver look again."""
        self._wakes[queue] += 1
        waiting = self._waiting[queue]
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(None)
                return

    async def wait(self, queue: str, timeout_s: float) -> None:
        """Wait to be woken, or for the time given."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[queue].append(future)
        await asyncio.wait([future], timeout=timeout_s)
        if not future.done():
            future.cancel()
            self._waiting[queue].remove(future)


def queue_of(request: Request, data: dict[str, Any]) -> str:
    """The queue that a call is about, as a key."""
    name = data.get("QueueName") or str(data.get("QueueUrl", "")).rstrip("/").rpartition("/")[2]
    return f"{request.account}/{request.region}/{name}"


class Sqs:
    """The edge's SQS in front of an emulator's.

    Args:
        forward: Sends a request on.
        as_signed: Whether every request is sent on as it came, since its signature counts.
    """

    def __init__(self, forward: Forward, *, as_signed: bool = False) -> None:
        self._as_signed = as_signed
        self._forward = forward
        self._waiters = Waiters()
        self._made: dict[str, Request] = {}
        self.delivery = Delivery()
        self.newness = Newness()

    async def answer(self, request: Request, is_gone: Callable[[], bool]) -> Response:
        """Carry out a call; ``is_gone`` tells whether its client has hung up."""
        queue = queue_of(request, request.json())
        try:
            self.newness.check(request, queue)
        except ApiError as refusal:
            return refusal.response()
        return self.newness.after(request, queue, await self._carry_out(request, is_gone))

    async def _carry_out(self, request: Request, is_gone: Callable[[], bool]) -> Response:
        if request.action == "ReceiveMessage" and not self._as_signed:
            return await self._receive(request, is_gone)
        if request.action == "SendMessageBatch" and not self._as_signed:
            return await self._send_batch(request)
        response = await self._forward(request)
        if request.action in URL_ACTIONS and response.status == 200:
            return self._with_our_host(request, response)
        if request.action in WAKING_ACTIONS and response.status == 200:
            self._waiters.wake(queue_of(request, request.json()))
        if request.action == "DeleteMessage" and response.status == 400:
            return _forgiven(request, response)
        if request.action == "DeleteMessageBatch" and b'"Failed"' in response.body:
            return _forgiven_batch(request, response)
        return response

    async def _send_batch(self, request: Request) -> Response:
        """Refuse the messages of a batch that are to be delayed for too long, as AWS does; emulators delay them.

        AWS's answer to such a batch: https://github.com/getmoto/moto/issues/5372
        """
        data = request.json()
        entries: list[dict[str, Any]] = data.get("Entries", [])
        late = [each for each in entries if each.get("DelaySeconds", 0) > LONGEST_DELAY_S]
        rest = [each for each in entries if each not in late]
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        response = json_response(answer)
        if rest or not late:
            response = await self._forward(
                request.asking(request.action, {**data, "Entries": rest}) if late else request
            )
            if response.status != 200:
                return response
            self._waiters.wake(queue_of(request, data))
        if not late:
            return response
        answer |= response.json()
        answer["Failed"] += [_too_late(each) for each in late]
        return response.with_json(answer)

    async def delete_queues(self) -> None:
        """Delete every queue made through the edge, for emulators that know no reset."""
        for url, made in self._made.items():
            await self._forward(made.asking("DeleteQueue", {"QueueUrl": url}))
        self._made.clear()

    def _with_our_host(self, request: Request, response: Response) -> Response:
        """Let queue URLs point to the edge, as clients that post to them need."""
        host, answer = request.headers.get("host", ""), response.json()
        if "QueueUrls" in answer:
            answer["QueueUrls"] = [_moved(url, host) for url in answer["QueueUrls"]]
        if "QueueUrl" in answer:
            answer["QueueUrl"] = _moved(answer["QueueUrl"], host)
            if request.action == "CreateQueue":
                self._made[answer["QueueUrl"]] = request
        return response.with_json(answer)

    async def _receive(self, request: Request, is_gone: Callable[[], bool]) -> Response:
        """Wait on the emulator's behalf.

        An emulator goes on waiting for a client that has hung up and gives it a message that is
        then invisible for 30 s; and ministack looks only ten times a second.
        """
        data = request.json()
        queue = queue_of(request, data)
        wait_s = data.get("WaitTimeSeconds", 0)
        if self.delivery.desk(queue) is None and not 0 < wait_s <= LONGEST_WAIT_S:
            return await self._forward(request)
        deadline_s = asyncio.get_running_loop().time() + wait_s
        request = request.asking("ReceiveMessage", {**data, "WaitTimeSeconds": 0})
        while True:
            wakes = self._waiters.wakes(queue)
            response = await self._look(request, queue)
            left_s = deadline_s - asyncio.get_running_loop().time()
            if response.status != 200 or response.json().get("Messages") or left_s <= 0:
                return response
            if wakes == self._waiters.wakes(queue):
                await self._waiters.wait(queue, min(LOOK_AGAIN_S, left_s))
            if is_gone():
                return response

    async def _look(self, request: Request, queue: str) -> Response:
        desk = self.delivery.desk(queue)  # asked for each time: it may be switched on during a wait
        if desk is None:
            return await self._forward(request)
        return await desk.receive(request, self._forward)


def _too_late(entry: dict[str, Any]) -> dict[str, Any]:
    told = f"Value {entry['DelaySeconds']} for parameter DelaySeconds is invalid."
    reason = f"Reason: DelaySeconds must be >= 0 and <= {LONGEST_DELAY_S}."
    return {"Id": entry["Id"], "SenderFault": True, "Code": "InvalidParameterValue", "Message": f"{told} {reason}"}


def _moved(url: str, host: str) -> str:
    return urlsplit(url)._replace(netloc=host).geturl()


def _forgiven(request: Request, response: Response) -> Response:
    """Turn the refusal of a used receipt handle into AWS's success.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html:
    an old handle's request "succeeds, but the message might not be deleted". ministack's
    handles are UUIDs; whatever does not look like one stays an error.
    """
    handle = str(request.json().get("ReceiptHandle", ""))
    if "ReceiptHandleIsInvalid" in str(response.json().get("__type")) and _UUID_HANDLE.fullmatch(handle):
        return json_response({})
    return response


def _forgiven_batch(request: Request, response: Response) -> Response:
    answer = response.json()
    handles = {entry["Id"]: str(entry["ReceiptHandle"]) for entry in request.json()["Entries"]}
    good: list[dict[str, Any]] = list(answer.get("Successful", []))
    bad: list[dict[str, Any]] = []
    for failure in answer.get("Failed", []):
        is_used = failure.get("Code") == "ReceiptHandleIsInvalid"
        if is_used and _UUID_HANDLE.fullmatch(handles.get(failure["Id"], "")):
            good.append({"Id": failure["Id"]})
        else:
            bad.append(failure)
    return response.with_json({"Successful": good, "Failed": bad})
