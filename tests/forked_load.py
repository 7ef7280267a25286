"""Forks so many seconds after the first report, while boto3 is being loaded: both must send.

python tests/forked_load.py FILE SECONDS; `make test-forks` tries every 20 ms of the first two seconds.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from f2b_producer import Producer, _sender
from f2b_producer._aws import connect
from tests.file_queue import FileQueue

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"


def main(path: str, after_s: str) -> int:
    """Return 0 if parent and child could send."""

    def connect_and_forget(*call: Any) -> FileQueue:
        connect(*call)
        return FileQueue(path)  # no socket

    setattr(_sender, "connect", connect_and_forget)  # noqa: B010 - mypy knows the module
    f2b = Producer(URL)
    f2b.report("10.0.0.1")
    time.sleep(float(after_s))
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        import botocore.session  # noqa: F401, PLC0415 - what is half loaded would hang for ever

        f2b.report("10.0.0.2")
        os._exit(0 if f2b.flush(25) else 1)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status) if f2b.close(25) else 1


if __name__ == "__main__":
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    sys.exit(main(*sys.argv[1:]))
