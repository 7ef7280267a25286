"""The package of the function, built as docs/how-to/lambda-judge.md says, where nothing else can be imported."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

from demo.fleet import NAME
from tests.acceptance.attacks import send_bodies
from tests.acceptance.environments import uv
from tests.acceptance.sqs_events import received
from tests.conftest import ROOT, skip_or_fail

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet

UNPACKED_MAX_BYTES = 250 * 2**20
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

INVOKED = """\
import json, sys
sys.path.insert(0, sys.argv[1])
from f2b_worker.aws_lambda import handler

class Context:
    aws_request_id = "one"
    def get_remaining_time_in_millis(self):
        return 20_000

answer = handler(json.load(open(sys.argv[2])), Context())
places = [module.__file__ or "" for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
print(json.dumps({"answer": answer, "elsewhere": [each for each in places if "site-packages" in each]}))
"""


def test_the_package_fits_lambda_and_judges_with_nothing_else_to_import(fleet: Fleet, tmp_path: Path) -> None:
    package = tmp_path / "function"
    dist = tmp_path / "dist"
    assert uv("build", "--quiet", "--all-packages", "--wheel", "--out-dir", dist, cwd=ROOT) == ""
    wheels = sorted(dist.glob("*.whl"))
    where = ("--python-platform", f"{platform.machine()}-manylinux_2_28", "--only-binary", ":all:")
    into = ("--python", sys.executable, *where, "--target", package)
    complaint = uv("pip", "install", "--quiet", *into, *wheels, cwd=tmp_path)
    if complaint:  # a laptop may be offline
        skip_or_fail(complaint)
    compiled = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", package)
    subprocess.run([sys.executable, *compiled], check=True)
    (package / "f2b.toml").write_bytes((tmp_path / "f2b.toml").read_bytes())
    size_bytes = sum(each.stat().st_size for each in package.rglob("*") if each.is_file())
    assert size_bytes < UNPACKED_MAX_BYTES / 2

    send_bodies(fleet, [json.dumps({"ip": "203.0.113.1", "id": f"{number}"}) for number in range(3)])
    (tmp_path / "event.json").write_text(json.dumps(received(fleet)), "utf-8")
    environment = {name: text for name, text in fleet.environment.items() if not name.startswith("F2B_")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", INVOKED, str(package), str(tmp_path / "event.json")],
        cwd=package,
        env=environment | {"F2B_TABLE": NAME, "F2B_CONFIG": "f2b.toml"},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"answer": {"batchItemFailures": []}, "elsewhere": []}
    assert [each.key for each in fleet.bans()] == ["203.0.113.1"]
