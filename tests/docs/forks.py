"""Runs `f2b` and `aws` for the tests of pages: each in a fork of a process that has imported all of it already.

The command itself is the installed one: the same function, with the caller's words, environment, folder and files.

    python -m tests.docs.forks SOCKET
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from select import select
from typing import NoReturn

import boto3

from f2b_worker.cli import main_of_operator
from f2b_worker.cli.f2b import main as f2b
from tests.docs import aws_cli

UNEXPECTED = 70


def serve(path: str) -> None:
    """Fork for each caller, until who started this is gone: he holds the other end of our standard input."""
    _import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks: they answer by themselves
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        while sys.stdin not in select([listener, sys.stdin], [], [])[0]:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _run(caller)
            caller.close()


def _import_all() -> None:
    for name in f2b.list_commands(None):  # type: ignore[arg-type]
        f2b.get_command(None, name)  # type: ignore[arg-type]
    boto3.Session().client("sqs", region_name="us-east-1")


def _run(caller: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(caller, 1, 3)
    request = json.loads(caller.makefile().readline())
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(request["here"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [request["name"], *request["words"]]
    code = _code_of(request["name"])
    sys.stdout.flush()
    sys.stderr.flush()
    caller.sendall(str(code).encode())
    os._exit(0)


def _code_of(name: str) -> int:
    try:
        if name == "aws":
            return aws_cli.main(sys.argv[1:])
        main_of_operator()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return UNEXPECTED
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
