"""Starts a process of the image as a container runtime does, by the kernel's own means.

It has mounts and process ids of its own, and is process 1 there. It sees the image's files and none of this
machine's, may write nothing but what it is given, and has no privilege. It shares the network, to reach AWS.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from demo.fleet import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.deploy.image import Image

STARTS_WITHIN_S = 20.0
STOPS_WITHIN_S = 30.0
"""As many seconds as ECS waits for before it kills."""

# The image's root, the volume for the state or nothing, the folder of configuration; then the command.
SETUP = """
set -e
root=$1 state=$2 config=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for each in null zero full random urandom; do
  touch "$root/dev/$each"
  mount --bind "/dev/$each" "$root/dev/$each"
done
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/dev/shm"
mount -o remount,ro "$root/dev"
mount --bind -o ro "$config" "$root/mnt"
[ -z "$state" ] || mount --bind "$state" "$root/var/lib/f2b"
exec chroot "$root" "$@"
"""
UNPRIVILEGED = ("--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


class Container:
    """One process of the image, with whatever it starts.

    Args:
        image: Its files and its settings.
        command: What runs, with its options.
        environment: Variables beside the image's own.
        config: The folder that it finds at /mnt.
        log: Where it writes.
        state: The volume for /var/lib/f2b, if any; it is made the user's, as a runtime does with a new volume.
    """

    def __init__(
        self,
        image: Image,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        config: Path,
        log: Path,
        state: Path | None = None,
    ) -> None:
        self._image = image
        self._environment = dict(environment)
        self.log = log
        self._user = image.config["User"].split(":")
        if state:
            os.chown(state, *map(int, self._user))
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [
                    *("unshare", "--mount", "--propagation=private", "--pid", "--fork"),
                    *("sh", "-c", SETUP, "sh", str(image.root), str(state or ""), str(config)),
                    *self._as_user(command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={"PATH": os.environ["PATH"]},
                start_new_session=True,
            )
        eventually(self._is_set_up, "the container starts", STARTS_WITHIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in _children(self._process.pid) if self.exit_code is None else ():
            os.kill(each, signal.SIGKILL)  # the kernel ends all of the container with its process 1
        self._process.wait()

    def _is_set_up(self) -> bool:
        """Tell whether all before the command is done; becoming the user is the last of it."""
        if self.exit_code is not None:  # it was quick
            return True
        children = _children(self._process.pid)
        return bool(children) and Path(f"/proc/{children[0]}").stat().st_uid == int(self._user[0])

    def _as_user(self, command: Sequence[str]) -> list[str]:
        """Run *command* in the image as a runtime does: its user, its folder, and no variable of ours."""
        user, group = self._user
        variables = [*self._image.config["Env"], *(f"{name}={value}" for name, value in self._environment.items())]
        return [
            *("/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", *UNPRIVILEGED),
            *("/usr/bin/env", "-i", f"--chdir={self._image.config['WorkingDir']}", *variables, *command),
        ]

    @property
    def pid(self) -> int:
        """The process that is number 1 in there, as this machine numbers it."""
        children = _children(self._process.pid)
        assert children, f"it has ended: {self.log.read_text('utf-8')}"
        return children[0]

    def children(self, part: str) -> list[int]:
        """The processes that process 1 has started and whose command line holds *part*."""
        return [each for each in _children(self.pid) if part in Path(f"/proc/{each}/cmdline").read_text("utf-8")]

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def run(self, *command: str) -> tuple[int, str]:
        """Run a further command in there, as `docker exec` does; answer exit code and output."""
        done = subprocess.run(
            [
                *("nsenter", f"--target={self.pid}", "--mount", "--pid", "--root"),
                *self._as_user(command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": os.environ["PATH"]},
            check=False,
        )
        return done.returncode, done.stdout.strip()

    def health(self, *more: str) -> tuple[int, str]:
        """Run the image's HEALTHCHECK, as an engine does."""
        how, *command = self._image.config["Healthcheck"]["Test"]
        assert how == "CMD", "an exec form: the image needs no shell"
        return self.run(*command, *more)

    def stop(self) -> int:
        """Stop it as a runtime does, by the image's signal to process 1; answer the exit code."""
        os.kill(self.pid, signal.Signals[self._image.config["StopSignal"]])
        return self._process.wait(STOPS_WITHIN_S)

    def wait(self) -> int:
        """Wait until it ends by itself; answer the exit code."""
        return self._process.wait(STOPS_WITHIN_S)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
