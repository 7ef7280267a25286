"""The settings of the HTTP shim, made and described as those of the worker (`settings.py`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from f2b_worker.config.settings import LOG_LEVEL_HELP, LogLevel, Settings
from f2b_worker.config.values import bearer_tokens, old_level, standard_queue, unbroken


class ShimSettings(Settings):
    """What the HTTP shim needs to know."""

    queue: Annotated[
        str | None,
        Field(
            min_length=1,
            description="The SQS queue to send infractions to: its URL, or its name. A standard queue.",
        ),
        AfterValidator(unbroken),
        AfterValidator(standard_queue),
    ]
    port: Annotated[
        int,
        Field(
            ge=1,
            le=65535,
            description="The port to listen on. It is not used where systemd hands over a socket that listens.",
            json_schema_extra={"also": ["-p"]},
        ),
    ] = 8000
    host: Annotated[
        str,
        Field(
            description="The address to listen on; by default all of IPv4, because the shim serves other "
            "containers. :: is all, of IPv6 as well. Everybody who reaches it can have addresses banned."
        ),
    ] = "0.0.0.0"  # noqa: S104 - see its description
    uds: Annotated[
        str | None,
        Field(
            description="The file of a UNIX socket to listen on; then --host and --port are not used. For a proxy "
            "or a program on the same host. Everybody who may enter its folder can report. It is removed at the "
            "stop; that of a process which was killed is replaced."
        ),
        AfterValidator(unbroken),
    ] = None
    workers: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Processes that share the port. Each uses one core. If one dies, it is replaced.",
        ),
    ] = 1
    token: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(bearer_tokens),
        Field(
            description="A bearer token of 16 characters or more that requests need. Health checks need none. "
            "Several, with a space between two, let you change tokens one by one. Other users of the host see the "
            "command line: use the environment."
        ),
    ] = ()
    peer_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="The part of the connections that one peer may have. A process takes 10,000, or as many "
            "as it may have open files. A load balancer or a proxy is one peer for all its clients: half is more "
            "than a process can serve at once, and leaves the other half to everybody else.",
        ),
    ] = 0.5
    rate_limit: Annotated[
        float,
        Field(
            ge=0,
            description="Requests that one peer may make in a second, and at once; 0 is no limit. The peer is the "
            "address that connects: behind a load balancer, the load balancer.",
        ),
    ] = 0.0
    body_bytes: Annotated[
        int,
        Field(
            ge=1024,
            le=16 * 1024 * 1024,
            description="The longest body of a POST, also unpacked; longer ones are refused.",
        ),
    ] = 524_288
    waiting: Annotated[
        int,
        Field(
            ge=1,
            description="Infractions that may wait for the queue at once. More are refused with 503. So an "
            "outage of the queue cannot fill the memory (about 0.5 KB each). A tenth is kept for reports that "
            "come one by one.",
        ),
    ] = 50_000
    request_s: Annotated[
        float,
        Field(
            gt=0,
            le=300,
            description="Seconds that a client may take to send the body, and to read the answer; for the "
            "headers it may take half of them. Slower clients are cut.",
        ),
    ] = 10.0
    idle_s: Annotated[
        float,
        Field(
            gt=0,
            le=3600,
            description="Seconds that a connection may stay open between requests. It must be longer than that of "
            "your load balancer, or the balancer uses closed connections: 65 for an ALB with its default of 60.",
        ),
    ] = 65.0
    drain_s: Annotated[
        float,
        Field(
            ge=0,
            le=600,
            description="Seconds that a stop goes on taking connections. /readyz answers 503 meanwhile, so that a "
            "load balancer goes elsewhere before the port is closed: give the interval of its health check times "
            "the failures that it waits for, and a little more. A platform must wait so much longer before it "
            "kills. By default 0: where nobody asks for /readyz, a stop would only take longer.",
        ),
    ] = 0.0
    expose_state: Annotated[
        bool,
        Field(
            description="Show /state/infractions and /state/requests, as the log level debug does. Then "
            "everybody who reaches the port sees which addresses were reported."
        ),
    ] = False
    log_level: Annotated[
        LogLevel,
        BeforeValidator(old_level),
        Field(description=LOG_LEVEL_HELP, json_schema_extra={"also": ["-l", "--loglevel"]}),
    ] = "info"
