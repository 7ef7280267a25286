"""The settings of the worker: frozen, built once at the edge (`loading.py`), passed down.

Each field's description gives its unit and its reason; the command's help and docs/settings.md show it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from f2b_worker.config.modes import belonging_together
from f2b_worker.config.values import (
    PROCESSES_MAX,
    age_ms,
    named_tokens,
    one_a_core,
    split,
    standard_queue,
    unbroken,
    unbroken_each,
)
from f2b_worker.domain.acts.act import AUDIT_DAYS, AUDIT_DAYS_MAX


class Settings(BaseModel):
    """What the settings of the worker and of the shim have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    queue: str | None

    @property
    def required_queue(self) -> str:
        """The queue, for whoever cannot do without: standalone mode and commands that need none have none."""
        assert self.queue is not None
        return self.queue


LogLevel = Literal["debug", "info", "warning", "error"]
LOG_LEVEL_HELP = "The least serious log lines to show: debug, info, warning or error."

STATE_FILE = Path("f2b.db")


class WorkerSettings(Settings):
    """What a worker needs to know."""

    queue: Annotated[
        str | None,
        AfterValidator(unbroken),
        AfterValidator(standard_queue),
        Field(description="The SQS queue that infractions come from: its URL, or its name. A standard queue."),
    ]
    table: Annotated[
        str,
        Field(min_length=1, description="The DynamoDB table of the ledger, shared by all workers of a fleet."),
        AfterValidator(unbroken),
    ] = "f2b"
    ip_set: Annotated[
        tuple[str, ...],
        BeforeValidator(split),
        AfterValidator(unbroken_each),
        Field(
            description='A WAF IP set of the blocklist "block". NAME also means NAME-ipv4 and NAME-ipv6, and '
            "the sets numbered after them: NAME-ipv4-2 and so on. May be repeated. Without it, and without "
            "blocklists in the file, this worker judges but does not enforce."
        ),
    ] = ()
    scope: Annotated[
        Literal["REGIONAL", "CLOUDFRONT"],
        Field(description="The scope of the --ip-set; CLOUDFRONT is always reached in us-east-1."),
    ] = "REGIONAL"
    processes: Annotated[
        int,
        BeforeValidator(one_a_core),
        Field(
            ge=1,
            le=PROCESSES_MAX,
            description="Worker processes. Each uses one core at most, and about 80 MB of memory: 200 MB once "
            "there are 200,000 bans. It remembers no more of them. But one worker of the fleet keeps all bans for "
            "the snapshot: each beyond these takes 0.2 KB there, and 0.4 KB where bans are enforced. Several have "
            "a parent process of 70 MB, which restarts a process that dies. "
            "The parent ends with exit code 4 when one dies six times in a row within a minute of its start. The "
            "default is one process for each whole core that affinity and the container's CPU quota allow, 64 at "
            "most. Give a number if there is little memory.",
        ),
    ] = "cores"  # type: ignore[assignment]  # as above
    max_age: Annotated[
        int | None,
        BeforeValidator(age_ms),
        Field(
            description="Older infractions are refused, e.g. 12h; 0 accepts any age. The default is the longest "
            "time that SQS keeps a message, so that a whole backlog is judged."
        ),
    ] = "14d"  # type: ignore[assignment]  # defaults are validated, too
    poll_s: Annotated[
        int,
        Field(
            ge=0,
            le=8,
            description="Seconds that one receive waits for a message. A shorter wait costs more requests "
            "(5 s: half a million a month, $0.21). A stop waits half a second for it at most.",
        ),
    ] = 5
    linger_s: Annotated[
        float,
        Field(
            ge=0,
            le=5,
            description="Seconds that a busy worker goes on receiving before it judges. So one write serves many "
            "infractions. An idle worker never waits.",
        ),
    ] = 0.1
    extend_resolution_s: Annotated[
        float,
        Field(
            ge=0,
            le=30,
            description="Some infractions only extend a running ban: its end moves by whole steps of a tenth of "
            "its length, 10 minutes at most. Most of them lead to no further step, and wait for nothing. While "
            "many addresses are banned, the others wait so many seconds at most for more of the same address, so "
            "that one write serves many, and for colleagues, who may store the same step. While few are banned, "
            "they wait for a second at most. Their messages stay in the queue until then. Steps make a longer "
            "wait of little use: a second in which all workers hear of each other is enough.",
        ),
    ] = 1.0
    offenders_per_s: Annotated[
        float,
        Field(
            gt=0,
            description="Offenders that one process writes to the ledger in a second, at most; a million cost "
            "about $0.625. More wait, those of messages with more than 1,000 offenders behind all others. The "
            "default is more than a process can judge. Lower it to bound what one message can cost.",
        ),
    ] = 10_000.0
    receivers: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="Long polls at the same time while the queue is busy, to hide its latency. An idle worker "
            "has one.",
        ),
    ] = 4
    unban_lag_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="Seconds that an ended ban may stay in its IP set, until an update for other reasons "
            "takes it out, too. WAF allows one update a second.",
        ),
    ] = 60.0
    max_new_bans_per_minute: Annotated[
        int,
        Field(
            ge=0,
            description="Surge guard. When more bans than this start within a minute, f2b stores the bans from "
            "there on but keeps them out of the IP sets, until an operator has looked and runs f2b "
            "release. Bans that are dated over an hour before they become known count as of an hour before. "
            "A proxy that reports wrong addresses must not ban the world. The default is what two full IP sets "
            "hold, one a family: an attack of 12,000 addresses at once is enforced, and twice as many in a minute "
            "are rather all visitors. Lower it if you know how many bans an attack may bring. 0 switches the "
            "guard off.",
        ),
    ] = 20_000
    audit_days: Annotated[
        int,
        Field(
            ge=1,
            le=AUDIT_DAYS_MAX,
            description="Days for which it is remembered what people do by hand, and which bans a worker lifts "
            "for the allowlist. The default has the year that an auditor asks for, and a month to spare. Each act "
            "keeps what held when it was done. Operators have this setting, too, and read it in a worker's file.",
        ),
    ] = AUDIT_DAYS
    enforce_only: Annotated[
        bool,
        Field(
            description="Only keep the IP sets equal to the active bans, and judge nothing. This is for a fleet "
            "whose judges are Lambda functions, or workers without --ip-set that scale on their own. It takes no "
            "--queue, and is one process. Run two: one enforces, the other takes over if that one dies."
        ),
    ] = False
    metrics_port: Annotated[
        int | None,
        Field(
            ge=1,
            le=65535,
            description="Serve Prometheus metrics on this port, and also /healthz and /readyz, for all processes "
            "together. Off by default.",
        ),
    ] = None
    metrics_host: Annotated[
        str,
        Field(
            min_length=1,
            description="The address on which --metrics-port listens. By default only this machine reaches it, "
            "because it asks for no login. Give 0.0.0.0 if Prometheus or the platform's probes come from outside, "
            "or :: for IPv6 as well.",
        ),
    ] = "127.0.0.1"
    http_port: Annotated[
        int | None,
        Field(
            ge=1,
            le=65535,
            description="Serve the dashboard on this port: what f2b status, list and explain say, in a browser. "
            "It is a process of its own, and needs the extra dashboard. If it dies it is started again, and "
            "nothing else ends. It has 60 MB of memory, and 130 MB with 50,000 bans. While nobody looks it calls "
            "nothing; ten open pages take 1 % of a core. Off by default.",
        ),
    ] = None
    http_host: Annotated[
        str,
        Field(
            min_length=1,
            description="The address on which --http-port listens. By default only this machine reaches it. Give "
            "0.0.0.0, or :: for IPv6 as well, if browsers come from outside: then everybody who reaches the port "
            "sees who is banned and why. To act takes a token nevertheless. Let a proxy before it speak https.",
        ),
    ] = "127.0.0.1"
    dashboard_token: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(named_tokens),
        Field(
            description="Who may act in the dashboard: NAME:TOKEN. The token has 16 characters or more. The audit "
            "shows the name. Several, with a space between two, for several people, or to change a token. Without "
            "one the dashboard is read-only. Other users of the host see the command line: use the environment."
        ),
    ] = ()
    standalone: Annotated[
        bool,
        Field(
            description="Run without SQS and DynamoDB: take infractions by HTTP, as f2b-shim does, and keep "
            "everything in the file --state. f2b-shim's other settings come from their environment variables."
        ),
    ] = False
    state: Annotated[
        str | None,
        Field(
            description="The file of --standalone, f2b.db by default: a SQLite database on a local disk. With it, "
            "commands that show or change what a worker knows use this file instead of the table."
        ),
    ] = None
    port: Annotated[
        int,
        Field(
            ge=1,
            le=65535,
            description="The port on which --standalone takes infractions. It is not used where systemd hands "
            "over a socket that listens.",
        ),
    ] = 8000
    host: Annotated[
        str,
        Field(
            description="The address on which --standalone listens; by default all of IPv4. :: is all, of IPv6 as "
            "well. Everybody who reaches it can have addresses banned."
        ),
    ] = "0.0.0.0"  # noqa: S104 - see its description
    uds: Annotated[
        str | None,
        Field(
            description="The file of a UNIX socket at which --standalone takes infractions; then --host and "
            "--port are not used. For a proxy or a program on the same host. Everybody who may enter its folder "
            "can report. It is removed at the stop; that of a process which was killed is replaced."
        ),
        AfterValidator(unbroken),
    ] = None
    log_level: Annotated[LogLevel, Field(description=LOG_LEVEL_HELP)] = "info"

    @model_validator(mode="before")
    @classmethod
    def _belong_together(cls, values: dict[str, Any]) -> dict[str, Any]:
        return belonging_together(values)

    @property
    def state_file(self) -> Path | None:
        """The file that takes the place of queue and table, if any."""
        if self.state:
            return Path(self.state)
        return STATE_FILE if self.standalone else None
