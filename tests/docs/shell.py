"""Does what a page says, block by block, as its reader would: in a folder of its own, against the local AWS."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from demo.fleet import BIN, free_port
from tests.docs.blocks import PROMPT, ROOT, Block

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = {
    "f2b-worker": "in_another_terminal",
    "f2b-shim": "in_another_terminal",
    "make": "in_another_terminal",
    "f2b": "quick",
    "aws": "quick",
}
BLOCK_WITHIN_S = 120
LOOK_AGAIN_FOR_S = 20.0
LOOKS = ("list", "banned", "explain", "status", "stats", "export", "audit")
"""What the reader may do again: a ban needs a moment."""

_OF_BASH = r"^declare -[a-zA-Z]*r|^declare -\S+ (BASH|DIRSTACK|FUNCNAME|GROUPS|PIPESTATUS|_=)"
"""Variables that no shell takes over from another."""

_VARIES = (
    # Said if what was noted tells enough: a matter of seconds.
    (r"(?m)^states as noted by who enforces, .*\n?", ""),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"\b[\w-]+/\d+/[0-9a-f]{8}\b", "PROCESS"),
    (r"(?<=  )[\w-]{12}\.\d+\b", "ID"),
    (r"\b(\d+(\.\d+)?(ms|[dhms]))+\b|\b\d+(\.\d+)? s\b", "SPAN"),
    (r"\b\d+(?= of 60 updates)", "NUMBER"),  # of the last minute
    (r"\s+", " "),
)


class Shell:
    """A reader's terminal.

    Args:
        folder: What it may write into.
        environment: The one of a reader who can reach AWS.
        filled_in: What the reader writes instead of what the page has, as his account's number.
        forks: The socket of `tests.docs.forks`, which runs `f2b` and `aws`.
    """

    def __init__(self, folder: Path, environment: dict[str, str], filled_in: dict[str, str], forks: Path) -> None:
        self.port = free_port()
        self._home = folder / "home"
        self._state = folder / "state"
        tools = folder / "bin"
        self.here = folder / "here"
        for each in (self._home, self._state, tools, self.here):
            each.mkdir()
        for name, tool in TOOLS.items():
            (tools / name).symlink_to(Path(__file__).parent / "bin" / tool)
        self._filled_in = {f"{before}8000": f"{before}{self.port}" for before in ("localhost:", "--port ", "-p ")}
        self._filled_in |= filled_in
        self._environment = environment | {
            "PATH": f"{tools}:{BIN}:{os.environ['PATH']}",
            "HOME": str(self._home),
            "F2B_PORT": str(self.port),
            "F2B_POLL_S": "1",
            "F2B_PROCESSES": "1",
            "DOCS_BIN": str(BIN),
            "DOCS_FORKS": str(forks),
            "DOCS_ROOT": str(ROOT),
            "DOCS_PORT": str(self.port),
            "DOCS_STATE": str(self._state),
        }
        (self._state / "env").write_text(f"cd {shlex.quote(str(self.here))}\n")

    def write(self, name: str, text: str) -> None:
        """Leave a file where the reader is, or below his home with a leading `~/`."""
        path = self._home / name[2:] if name.startswith("~/") else self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fill_in(self, written: str, filled: str) -> None:
        """Let the reader write *filled* wherever the page has *written*."""
        self._filled_in[written] = filled

    def prepare(self, commands: str) -> None:
        """Do what the page takes for done."""
        code, printed = self.run(commands)
        assert code == 0, printed

    def queue_url(self, name: str) -> str:
        """Look a queue's URL up."""
        code, printed = self.run(f"aws sqs get-queue-url --queue-name {name} --query QueueUrl --output text")
        assert code == 0, printed
        return printed.strip()

    def do(self, block: Block) -> None:
        """Run a block, and hold what it prints against what the page shows.

        Raises:
            AssertionError: It ends otherwise than the page says, or shows something else.
        """
        if block.is_session:
            for command, shown, code in steps(block.text):
                self._do(command, shown, code, block.place)
        else:
            self._do(block.text, block.shown, block.exit_code, block.place)

    def _do(self, commands: str, shown: str | None, code: int, place: str) -> None:
        again_until_s = time.monotonic() + LOOK_AGAIN_FOR_S
        while True:
            ended, printed = self.run(commands)
            is_shown = shown is None or matches(self._with(shown), printed)
            if ended == code and is_shown:
                return
            if not only_looks(commands) or time.monotonic() > again_until_s:
                break
            time.sleep(1)
        assert ended == code, f"{place} ends with {ended}, not {code}:\n{commands}\n---\n{printed}"
        raise AssertionError(f"{place} shows\n{shown}\n--- but there is\n{printed}")

    def run(self, commands: str) -> tuple[int, str]:
        """Run commands where the last ones left off; answer the exit code and what they print."""
        kept = self._state / "env"
        script = f"""
            set -euo pipefail
            . {kept}
            [ ! -e {self._state}/copied ] || . {self._state}/copied
            keep() {{ declare -p | grep -vE "{_OF_BASH}"; printf "cd %q\\n" "$PWD"; }}
            trap 'code=$?; keep >{kept}; exit $code' EXIT
        """
        filled = self._with(commands)
        done = subprocess.run(
            ["/bin/bash", "-c", f"{script}\n{filled}"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BLOCK_WITHIN_S,
            check=False,
        )
        return done.returncode, done.stdout

    def _with(self, text: str) -> str:
        for written, filled in self._filled_in.items():
            text = text.replace(written, filled)
        return text

    def end(self) -> None:
        """Stop what runs in the other terminals, with all its children."""
        for file in self._state.glob("*.pid"):
            pid = int(file.read_text())
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM if file.stem == "make" else signal.SIGKILL)
            _wait_for_the_end_of(pid)


def _wait_for_the_end_of(pid: int) -> None:
    ends_s = time.monotonic() + 15
    while time.monotonic() < ends_s and _runs(pid):
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def steps(session: str) -> Iterator[tuple[str, str, int]]:
    """Take a session apart: each command, what it shows, and its exit code, which stands in brackets below."""
    for step in re.split(rf"^{re.escape(PROMPT)}", session, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        code = re.search(r"^\(exit code (\d+)\)\s*$", shown, re.MULTILINE)
        yield command, shown[: code.start()] if code else shown, int(code[1]) if code else 0


def only_looks(commands: str) -> bool:
    """Tell whether nothing changes if these are run again."""
    words = [line.split() for line in commands.splitlines() if line.strip() and not line.startswith("#")]
    return all(line[0] == "f2b" and any(each in line for each in LOOKS) for line in words)


def matches(shown: str, printed: str) -> bool:
    """Tell whether a page shows what was printed; times, ids and ages vary, and … stands for anything."""
    parts = [re.escape(_without_what_varies(part)) for part in shown.strip().split("…")]
    return re.fullmatch(".*".join(parts), _without_what_varies(printed.strip()), re.DOTALL) is not None


def _without_what_varies(text: str) -> str:
    for pattern, word in _VARIES:
        text = re.sub(pattern, word, text)
    return text.strip()
