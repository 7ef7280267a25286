"""What SQS does not show yet: a queue made just now, and attributes set just now.

AWS: "After you create a queue, you must wait at least one second after the queue is created to be able to use it"
(API_CreateQueue), and "the change can take up to 60 seconds for most of the attributes to propagate"
(API_SetQueueAttributes). Off unless it is asked for.
"""

import time

from localstack.edge_http import Request, Response
from localstack.faults import ApiError

_HIDDEN = "RedrivePolicy"


class Newness:
    """Which queues and attributes are too new to be seen; queues are known by account, Region and name."""

    def __init__(self) -> None:
        self._queue_s = 0.0
        self._attributes_s = 0.0
        self._made_s: dict[str, float] = {}
        self._set_s: dict[str, float] = {}

    def hide(self, queue_s: float, attributes_s: float) -> None:
        """Hide what is made or set from now on for so long; what was hidden is shown."""
        self._queue_s, self._attributes_s = queue_s, attributes_s
        self._made_s.clear()
        self._set_s.clear()

    def check(self, request: Request, queue: str) -> None:
        """Refuse a call for a queue that is too new.

        Raises:
            ApiError: As for a queue that does not exist.
        """
        if request.action == "CreateQueue":
            self._made_s.setdefault(queue, time.monotonic())
        elif time.monotonic() - self._made_s.get(queue, float("-inf")) < self._queue_s:
            raise ApiError("QueueDoesNotExist", "The specified queue does not exist.")

    def after(self, request: Request, queue: str, response: Response) -> Response:
        """Note the attributes that a call has set, or take from an answer those that are too new."""
        if _HIDDEN in request.json().get("Attributes", {}):
            self._set_s[queue] = time.monotonic()
        is_new = time.monotonic() - self._set_s.get(queue, float("-inf")) < self._attributes_s
        if request.action != "GetQueueAttributes" or response.status != 200 or not is_new:
            return response
        answer = response.json()
        answer.get("Attributes", {}).pop(_HIDDEN, None)
        return response.with_json(answer)
