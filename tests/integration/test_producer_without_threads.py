"""Where no thread can be started, who waits sends by itself, within the time that it gave."""

import os
import socket
import subprocess
import sys

from tests.file_queue import ROOT

SCRIPT = """
import sys, threading, time

def start(self): raise RuntimeError("can't start new thread")
threading.Thread.start = start

import botocore.session  # it takes a second to load, which is not waited for here
botocore.session.get_session().create_client("sqs", region_name="eu-west-1")
from f2b_producer import Producer

f2b = Producer(sys.argv[1])
f2b.report("10.0.0.1")
for _ in range(2):
    began_s = time.monotonic()
    assert not f2b.flush(2)
    print(time.monotonic() - began_s)
print(time.monotonic(), flush=True)
"""


def test_a_flush_ends_in_time_although_the_queue_hangs_in_a_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel accepts, and nobody answers
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL_SQS": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, f"{url}/000000000001/f2b"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    first_s, second_s, _ = map(float, done.stdout.split())
    assert max(first_s, second_s) < 7, "a client's own timeouts are 14 s"
    assert "closed with 1 infractions unsent: ReadTimeoutError" in done.stderr
