"""Clients for AWS: how they are made, and whom they ask."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing, contextmanager, suppress
from copy import copy
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import UnknownRegionError
from botocore.hooks import HierarchicalEmitter

from f2b_worker import errors
from f2b_worker.adapters.answers import aws_errors, part_of, refuse_unread
from f2b_worker.adapters.aws_calls import CALLS
from f2b_worker.adapters.aws_settings import check_session, check_way, making
from f2b_worker.adapters.caller import CALLER
from f2b_worker.adapters.clock import AWS_TIME
from f2b_worker.adapters.models import open_models
from f2b_worker.adapters.whole_answers import bound_answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_wafv2 import WAFV2Client

_REGION_VARIABLES = ("AWS_DEFAULT_REGION", "AWS_REGION")

ANSWER_S = 4.0
"""How long SQS may take to answer: it takes milliseconds, and a long poll its own time besides."""

_REGION = r"([a-z]+(?:-[a-z]+)+-\d+)"
_QUEUE_HOSTS = re.compile(
    rf"https?://(?:[^./]+\.)?sqs(?:-fips)?\.{_REGION}\.(?:vpce\.)?[a-z]"  # dual stack and other partitions, too
    rf"|https?://(?:{_REGION}\.)?queue\.amazonaws\.com\b"  # how SQS itself names queues to old clients
)
_OLDEST_QUEUE_REGION = "us-east-1"  # of queue.amazonaws.com


def queue_region(queue_url: str) -> str | None:
    """Read the Region out of a queue's URL; None if it names none, as an emulator's.

    Hosts as of https://docs.aws.amazon.com/general/latest/gr/sqs-service.html, FIPS and dual stack included, those
    of interface endpoints (`vpce-….sqs.REGION.vpce.amazonaws.com`) and the old `REGION.queue.amazonaws.com`.
    """
    found = _QUEUE_HOSTS.match(queue_url)
    return (found[1] or found[2] or _OLDEST_QUEUE_REGION) if found else None


def sqs_client(
    queue_url: str,
    *,
    connections: int,
    answer_within_s: float | None = None,
    attempts: int = 2,
    poll_s: float = 20,
) -> SQSClient:
    """Make an SQS client.

    Args:
        queue_url: Its Region is used where it names one: workers may stand elsewhere.
        connections: How many threads use it at once.
        answer_within_s: Give up after about so long; by default the client outlasts a long poll.
        attempts: Of such a call; they share its time.
        poll_s: How long a long poll lasts: a connection that swallowed it is given up soon after its end.
    """
    patient = answer_within_s is None
    with making("SQS client"):
        client: SQSClient = _session().client(
            "sqs",
            region_name=queue_region(queue_url),
            config=_config(
                connections=connections,
                connect_timeout_s=3 if patient else 1,
                read_timeout_s=poll_s + ANSWER_S if answer_within_s is None else answer_within_s / attempts,
                attempts=3 if patient else attempts,
            ),
        )
        check_way(client, "SQS client")
    return client


def account_of_credentials(region: str) -> str:
    """Ask STS which account the credentials are of; that needs no permission."""
    return _identity("Account", region, "STS: the account of the credentials")


def caller_of_credentials(region: str | None = None) -> str:
    """Ask STS whose the credentials are: its ARN; that needs no permission."""
    return _identity("Arn", region, "STS: whose the credentials are")


def _identity(what: str, region: str | None, doing: str) -> str:
    config = _config(connections=1, read_timeout_s=5, attempts=3)
    with aws_errors(doing), closing(_session().client("sts", region_name=region, config=config)) as client:
        return str(part_of(client.get_caller_identity(), what, doing, str))


def dynamodb_client(*, connections: int, plain_queries: bool = False) -> DynamoDBClient:
    """Make a DynamoDB client that gives up early and tries again: an item answers in milliseconds.

    botocore does not check what it sends: of 102 µs for one of 25 statements in a call that took 37.

    Args:
        connections: How many threads call at once.
        plain_queries: Whether answers to queries, scans and statements are taken as the JSON that they are. Only
            for a client of which no user queries binary attributes: these would stay base64 text.
    """
    config = _config(connections=connections, read_timeout_s=5, attempts=4)
    with making("DynamoDB client"):
        client: DynamoDBClient = _session().client(
            "dynamodb", config=config.merge(Config(parameter_validation=False))
        )
        check_way(client, "DynamoDB client")
    if plain_queries:
        for operation in ("Query", "Scan", "BatchExecuteStatement"):
            client.meta.events.register(f"before-parse.dynamodb.{operation}", _parse_plainly)
    return client


def _parse_plainly(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take the answer to a query as the JSON that it is.

    botocore goes through each attribute of each item to decode bytes, of which there are none here: of 1.7 s of
    CPU for 25,000 bans that took 1.4 s. Of 25 statements, each with its units, it took 95 µs, and this takes 8.
    What a handler leaves in the second dictionary stands for what it would have parsed (botocore.endpoint,
    `_do_get_response`).
    """
    if response_dict["status_code"] == 200:
        from pydantic_core import from_json  # noqa: PLC0415 - commands start sooner without it

        with suppress(ValueError):  # botocore says what is wrong with it
            answer = from_json(response_dict["body"])
            if isinstance(answer, dict):
                customized_response_dict.update(answer)
                response_dict["body"] = b"{}"


def wafv2_client(region: str | None, *, attempts: int = 1, validated: bool = True) -> WAFV2Client:
    """Make a WAF client, by default without retries of its own: the enforcer paces every request itself.

    Args:
        region: Where WAF is reached; None is the environment's own.
        attempts: How often a call is tried.
        validated: Whether botocore checks what it sends. For a full set of 10,000 entries that is 10 of the 14 ms
            of CPU that an update costs, and WAF checks it anyway.
    """
    config = _config(connections=2, read_timeout_s=15, attempts=attempts)
    if not validated:
        config = config.merge(Config(parameter_validation=False))
    with making("WAF client"):
        session = _session()
        _refuse_another_partition(session, region)
        client: WAFV2Client = session.client("wafv2", region_name=region, config=config)
        check_way(client, "WAF client")
    return client


def notices_client(service: str, region: str | None) -> Any:
    """Make a client that notices are sent by: it gives up early, for whoever sends tries again by itself.

    Args:
        service: `sns` or `events`.
        region: Where; None is the environment's own.
    """
    what = f"{service} client"
    with making(what):
        client = _session().client(
            service, region_name=region, config=_config(connections=1, read_timeout_s=10, attempts=2)
        )
        check_way(client, what)
    return client


def _refuse_another_partition(session: Any, region: str | None) -> None:
    """Say so where a Region is asked for in which the credentials of this one count for nothing.

    Raises:
        Rejected: If it is so.
    """
    home = session.region_name
    if not region or not home:
        return
    try:
        theirs, ours = (session.get_partition_for_region(each) for each in (region, home))
    except UnknownRegionError:  # an emulator's, or newer than botocore: nobody can tell
        return
    if theirs != ours:
        raise errors.Rejected(
            f"scope CLOUDFRONT is reached in {region}, in the partition {theirs}; Region {home} is in {ours}, "
            "whose credentials do not count there: leave out --scope CLOUDFRONT, or run it with Region and "
            f"credentials of {theirs}"
        )


_BEGAN_S = "f2b_began_s"


def _note_begin(request: Any, **_: object) -> None:
    request.context[_BEGAN_S] = time.monotonic()


def _learn_time(response_dict: Mapping[str, Any] | None, context: Mapping[str, Any], **_: object) -> None:
    """Let the machine's clock be compared with AWS's, by every answer of AWS, refusals for a wrong time too."""
    headers = response_dict["headers"] if response_dict else {}
    if _BEGAN_S in context and "x-amzn-requestid" in headers:  # else it is not AWS that answers
        AWS_TIME.learn(headers.get("date"), began_s=context[_BEGAN_S])


def asked_region(client: Any, queue_url: str = "") -> str:
    """Name the Region that a client asks, and what chose it: if something is missing, it may be the wrong one."""
    region: str = client.meta.region_name
    return f"Region {region} ({_chooser_of(region, queue_url)})"


@contextmanager
def naming_region(client: Any, queue_url: str = "") -> Iterator[None]:
    """Let whatever is missing be said together with the Region that was asked."""
    try:
        yield
    except errors.Missing as error:
        raise errors.Missing(f"{str(error).rstrip('.')}; asked in {asked_region(client, queue_url)}") from error


def _chooser_of(region: str, queue_url: str) -> str:
    if queue_region(queue_url) == region:
        return "of the queue's URL"
    if CALLER.region == region:
        return "of --region"
    for name in _REGION_VARIABLES:
        if os.environ.get(name):
            return name if os.environ[name] == region else "where WAF has all of scope CLOUDFRONT"
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    return f"of the AWS profile {profile}"


def _session() -> Any:
    # A session of its own: boto3's default session is shared and not safe to make clients from in threads.
    # botocore knows AWS_DEFAULT_REGION only; containers, and every other SDK, have AWS_REGION.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    region = CALLER.region or next(filter(None, map(os.environ.get, _REGION_VARIABLES)), None)
    bound_answers()
    core = botocore.session.Session(event_hooks=copy(_handlers()), include_builtin_handlers=False)
    # What AWS's services look like takes 10 MB a client, unless all have it from one reader.
    core.register_component("data_loader", _models(core))
    session = Session(core, region)
    check_session(session)
    session.events.register("request-created", _note_begin)
    session.events.register("response-received", _learn_time)
    session.events.register("response-received", refuse_unread)
    CALLS.register(session.events)
    return session


class Session:
    """What is needed of boto3's session: boto3 itself takes 0.1 s to import, with much that nobody here uses.

    Args:
        core: botocore's session.
        region: The Region, if something of ours says which.
    """

    def __init__(self, core: Any, region: str | None) -> None:
        self._session = core
        if region:
            core.set_config_variable("region", region)

    @property
    def events(self) -> Any:
        """Where handlers for the events of all its clients are registered."""
        return self._session.get_component("event_emitter")

    @property
    def region_name(self) -> str | None:
        """The Region of its clients, if anything says which."""
        region: str | None = self._session.get_config_variable("region")
        return region

    @property
    def profile_name(self) -> str:
        """The profile of AWS's configuration files."""
        return self._session.profile or "default"

    def get_partition_for_region(self, region: str) -> str:
        """Name the partition of a Region."""
        return str(self._session.get_partition_for_region(region))

    def client(self, service: str, **settings: Any) -> Any:
        """Make a client."""
        return self._session.create_client(service, **settings)


def _handlers(known: list[Any] = []) -> Any:  # noqa: B006 - registered once
    """Return botocore's own handlers: to register them takes 5 ms a session, and a worker makes seven."""
    if not known:
        emitter = HierarchicalEmitter()
        botocore.session.Session(event_hooks=emitter)
        known.append(emitter)
    return known[0]


def _models(core: Any, known: list[Any] = []) -> Any:  # noqa: B006 - read once
    if not known:
        known.append(open_models(core.get_config_variable("data_path")))
    return known[0]


def _config(*, connections: int, read_timeout_s: float, attempts: int, connect_timeout_s: float = 3) -> Config:
    return Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        user_agent=f"f2b-worker/{version('f2b-worker')}",  # botocore makes its own anew for every call: 10-20 µs
    )
