"""`AWS_REGION` alone is enough for every command, and a wrong Region is named where something is missing."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, eventually, free_port, get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.fleet import Fleet

ELSEWHERE = "eu-west-3"
IP = "203.0.113.7"
FLEET = ("--queue", NAME, "--table", NAME, "--ip-set", NAME)


class Cli:
    """The commands, in an environment of which only the given variables name a Region."""

    def __init__(self, fleet: Fleet, folder: Path, **variables: str) -> None:
        without = {name: value for name, value in fleet.environment.items() if not name.endswith("_REGION")}
        self.environment = without | variables
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def done(self, name: str, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; answer what it said."""
        done = subprocess.run(
            [BIN / name, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def start(self, name: str, *arguments: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.started.append(subprocess.Popen([BIN / name, *arguments], env=self.environment, stderr=log))

    def end(self) -> None:
        for each in self.started:
            each.terminate()
        for each in self.started:
            each.wait(20)
        self.started = []


@pytest.fixture
def cli(fleet: Fleet, tmp_path: Path) -> Iterator[Callable[..., Cli]]:
    made: list[Cli] = []

    def with_variables(**variables: str) -> Cli:
        made.append(Cli(fleet, tmp_path, **variables))
        return made[-1]

    yield with_variables
    for each in made:
        each.end()


def test_every_command_works_where_only_aws_region_names_a_region(
    fleet: Fleet, cli: Callable[..., Cli], tmp_path: Path
) -> None:
    there = cli(AWS_REGION=ELSEWHERE)
    made = there.done("f2b", "provision", *FLEET)
    assert f"queue {NAME}: made" in made, "the fleet of another Region does not count"
    assert f"table {NAME}: made" in made
    there.start("f2b-worker", *FLEET, "--config", str(tmp_path / "f2b.toml"))
    port = free_port()
    there.start("f2b-shim", "--queue", NAME, "--host", "127.0.0.1", "--port", str(port))
    eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "the shim is ready", 30)
    assert get(f"http://127.0.0.1:{port}/infraction/{IP}")[0] == 200
    url = fleet._aws.client("sqs", account=fleet.environment["AWS_ACCESS_KEY_ID"], region=ELSEWHERE).get_queue_url(
        QueueName=NAME
    )["QueueUrl"]
    there.done("f2b-report", "--queue", url, IP, IP)

    def is_enforced() -> bool:
        waf = fleet._aws.client("wafv2", account=fleet.environment["AWS_ACCESS_KEY_ID"], region=ELSEWHERE)
        sets = waf.list_ip_sets(Scope="REGIONAL")["IPSets"]
        held = [waf.get_ip_set(Name=each["Name"], Id=each["Id"], Scope="REGIONAL")["IPSet"] for each in sets]
        waf.close()
        return any(f"{IP}/32" in each["Addresses"] for each in held)

    eventually(is_enforced, "it is enforced there", 40, 1.0)
    assert [row["ip"] for row in json.loads(there.done("f2b", "list", "--json"))["bans"]] == [IP]
    assert IP in there.done("f2b", "explain", IP, "--ip-set", NAME)
    assert "no bans are held back" in there.done("f2b", "release")
    there.end()
    port = free_port()
    state = ("--state", str(tmp_path / "f2b.db"), "--ip-set", NAME)
    there.start("f2b-worker", "--standalone", *state, "--host", "127.0.0.1", "--port", str(port))
    eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "standalone mode is ready", 40)


@pytest.mark.parametrize(
    ("variables", "chosen_by"),
    [
        ({"AWS_REGION": ELSEWHERE}, "AWS_REGION"),
        ({"AWS_DEFAULT_REGION": ELSEWHERE, "AWS_REGION": "us-east-1"}, "AWS_DEFAULT_REGION"),
        ({"AWS_CONFIG_FILE": "…", "AWS_PROFILE": "shop"}, "of the AWS profile shop"),
    ],
)
def test_a_wrong_region_is_named_with_what_chose_it_where_something_is_missing(
    variables: dict[str, str], chosen_by: str, cli: Callable[..., Cli], tmp_path: Path
) -> None:
    profile = tmp_path / "config"
    profile.write_text(f"[profile shop]\nregion = {ELSEWHERE}\n")
    there = cli(**{name: value.replace("…", str(profile)) for name, value in variables.items()})
    asked = f"Region {ELSEWHERE} ({chosen_by})"
    for name, *arguments in (
        ("f2b-worker", *FLEET),
        ("f2b-shim", "--queue", NAME),
        ("f2b-worker", "--standalone", "--state", str(tmp_path / "f2b.db"), "--ip-set", NAME),
        ("f2b", "list", "--table", NAME),
        ("f2b", "explain", "--table", NAME, IP),
        ("f2b", "release", "--table", NAME),
    ):
        said = there.done(name, *arguments, code=3)
        assert asked in said, said
        assert [asked in line for line in said.splitlines() if "stopped" not in line] == [True]


def test_a_missing_ip_set_of_cloudfront_names_its_region(cli: Callable[..., Cli], tmp_path: Path) -> None:
    there = cli(AWS_REGION=ELSEWHERE)
    state = ("--state", str(tmp_path / "f2b.db"), "--ip-set", "edge", "--scope", "CLOUDFRONT")
    said = there.done("f2b-worker", "--standalone", *state, code=3)
    assert "Region us-east-1 (where WAF has all of scope CLOUDFRONT)" in said
