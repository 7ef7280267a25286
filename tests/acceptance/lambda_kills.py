"""A Lambda function that dies after each of its writes, one after the other: `python -m … EVENT.json`.

Each death is that of a process of its own, by SIGKILL, once DynamoDB has answered its first, second … write:
between what is stored and the answer to the event. Writes how many died, and how many messages came again at last.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from botocore.httpsession import URLLib3Session

from f2b_worker.aws_lambda import handler
from tests.acceptance.sqs_events import Context, failures

WRITES = ("UpdateItem", "PutItem", "DeleteItem", "BatchExecuteStatement", "TransactWriteItems")
DEATHS_MAX = 30
_send = URLLib3Session.send


def main(event: Any) -> None:
    """Hand the event over again and again until somebody lives to answer it."""
    for writes in range(1, DEATHS_MAX):
        child = os.fork()
        if not child:
            _die_after(writes)
            os._exit(len(failures(handler(event, Context()))))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            told = {"deaths": writes - 1, "failed": os.waitstatus_to_exitcode(status)}
            sys.stdout.write(json.dumps(told))
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise SystemExit(f"it died {DEATHS_MAX} times")


def _die_after(writes: int) -> None:
    left = writes

    def send(self: URLLib3Session, request: Any) -> Any:
        nonlocal left
        answer = _send(self, request)
        target = request.headers.get("X-Amz-Target", b"")
        name = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        if name in WRITES:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return answer

    URLLib3Session.send = send  # type: ignore[method-assign]


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
