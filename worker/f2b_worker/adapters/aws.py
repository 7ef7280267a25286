"""Clients for AWS, and the one place where botocore's errors become ours."""

from __future__ import annotations

import os
import re
import ssl
import time
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PaginationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError
from pydantic_core import from_json

from f2b_worker import errors
from f2b_worker.adapters.clock import AWS_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_wafv2 import WAFV2Client

_CREDENTIALS_AWAY = (CredentialRetrievalError, MetadataRetrievalError, TokenRetrievalError)
_GIVE_CREDENTIALS = "give this process a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NO_CREDENTIALS = (PartialCredentialsError, SSOError, NoRegionError)
_SECRETS = ("AWS_ACCESS_KEY", "AWS_SECRET", "AWS_SESSION_TOKEN")
_NO_MACHINES_CREDENTIALS = "AWS_EC2_METADATA_DISABLED"
_THROTTLED = {
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "ProvisionedThroughputExceeded",  # of one statement in a batch, as the next
    "ThrottlingError",
    "RequestLimitExceeded",
    "LimitExceededException",
    "BandwidthLimitExceeded",
    "SlowDown",
    "OverLimit",  # SQS has 120,000 messages in flight
}
_UNAVAILABLE = {
    "InternalServerError",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "WAFInternalErrorException",
    "WAFUnavailableEntityException",
    "TransactionCanceledException",  # a conflict or throttling: a lost race is the ledger's own answer
    "TransactionConflictException",
    "TransactionConflict",
    "TransactionInProgressException",
    "RequestTimeout",
    "RequestTimeoutException",
    "PriorRequestNotComplete",
    "ContinuousBackupsUnavailableException",  # of a table that was made just now
    "QueueDeletedRecently",  # a queue of a deleted one's name may be made after 60 seconds
}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "InvalidSecurity",  # no HTTPS, or another signature than version 4
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException"}
_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException"}
_KMS = re.compile(r"KMS\.?", re.IGNORECASE)
_MISSING = {
    "QueueDoesNotExist",
    "NonExistentQueue",
    "ResourceNotFoundException",
    "ResourceNotFound",  # of one statement in a batch
    "WAFNonexistentItemException",
}
_INVALID = {
    "ValidationException",
    "ValidationError",  # of one statement in a batch, or of one item in a transaction
    "SerializationException",  # a value of the wrong type: botocore does not check what it sends
}
_KINDS: dict[str, type[errors.F2bError]] = {
    **dict.fromkeys(_THROTTLED, errors.Throttled),
    **dict.fromkeys(_UNAVAILABLE, errors.Unavailable),
    **dict.fromkeys(_DENIED, errors.AccessDenied),
    **dict.fromkeys(_EXPIRED, errors.CredentialsAway),
    **dict.fromkeys(_MISSING, errors.Missing),
    **dict.fromkeys(_INVALID, errors.Invalid),
    "WAFOptimisticLockException": errors.LockLost,
}
_REGION_VARIABLES = ("AWS_DEFAULT_REGION", "AWS_REGION")
ODD = (LookupError, TypeError, ValueError, AttributeError)
"""What Python raises on the way through an answer that has not the form of AWS's."""

_AFTER_THE_REQUEST = {
    "botocore.endpoint",
    "botocore.credentials",
    "botocore.tokens",
    "botocore.paginate",
    "botocore.waiter",
}
"""The modules of botocore through which an answer comes, but no request in the making."""

ANSWER_S = 4.0
"""How long SQS may take to answer: it takes milliseconds, and a long poll its own time besides."""

_REGION = r"([a-z]+(?:-[a-z]+)+-\d+)"
_QUEUE_HOSTS = re.compile(
    rf"https?://(?:[^./]+\.)?sqs(?:-fips)?\.{_REGION}\.(?:vpce\.)?[a-z]"  # dual stack and other partitions, too
    rf"|https?://(?:{_REGION}\.)?queue\.amazonaws\.com\b"  # how SQS itself names queues to old clients
)
_OLDEST_QUEUE_REGION = "us-east-1"  # of queue.amazonaws.com

_POLICIES = "docs/iam"
_policy_file = f"{_POLICIES}/"


def act_as(role: str) -> None:
    """Say as whom this process calls AWS: a call that is not allowed is told with the file of this role's policy.

    Args:
        role: The name of a file in docs/iam.
    """
    global _policy_file  # noqa: PLW0603 - a process has one role, and every client of it the same
    _policy_file = f"{_POLICIES}/{role}.json"


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Let only errors of ours leave the block; *doing* begins the one line that the user reads."""
    try:
        yield
    except ClientError as error:
        raise _from_code(error, doing) from error
    except _CREDENTIALS_AWAY as error:
        raise errors.CredentialsAway(f"{doing}: {error}") from error
    except NoCredentialsError as error:
        # botocore says the same where a machine's metadata service is slow or answers 500.
        none_can_come = os.environ.get(_NO_MACHINES_CREDENTIALS, "").lower() == "true"
        kind = errors.AccessDenied if none_can_come else errors.CredentialsAway
        raise kind(f"{doing}: {error}; {_GIVE_CREDENTIALS}") from error
    except NoRegionError as error:
        raise errors.AccessDenied(f"{doing}: no Region is set; set AWS_REGION") from error
    except _NO_CREDENTIALS as error:
        raise errors.AccessDenied(f"{doing}: {error}") from error
    except (BotoConnectionError, HTTPClientError, ResponseParserError, PaginationError) as error:
        raise errors.Unavailable(f"{doing}: {error}") from error
    except BotoCoreError as error:
        raise errors.Rejected(f"{doing}: {error}") from error
    except Exception as error:
        if isinstance(error, errors.F2bError) or not _is_about_an_answer(error):
            raise
        raise odd_answer(doing, error) from error


@contextmanager
def _making(what: str) -> Iterator[None]:
    """Take whatever keeps a client from being made for a wrong setting of AWS's own.

    Raises:
        Misconfigured: It names the environment variable whose value the error names.
        AccessDenied: If there are no credentials: they are looked for here.
    """
    with aws_errors(what):
        try:
            yield
        except (*_CREDENTIALS_AWAY, *_NO_CREDENTIALS, NoCredentialsError):
            raise
        except (BotoCoreError, *ODD, OSError) as error:
            said = " ".join(str(error).split())
            raise errors.Misconfigured(f"{what}: {_blamed(said)}") from error


def _blamed(said: str) -> str:
    settings = {
        name: value for name, value in os.environ.items() if name.startswith(("AWS_", "REQUESTS_")) and value
    }
    named = [
        name
        for name, value in settings.items()
        if not name.startswith(_SECRETS) and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", said)
    ]
    where = ", ".join(sorted(named)) or "the variables AWS_… and AWS's configuration files"
    return f"{said}; check {where}"


def _check_authorities(session: Any) -> None:
    """Read the file of certificate authorities: botocore reads it with the first call, which is then tried again.

    Raises:
        OSError: If it is not there, or holds no certificate.
    """
    bundle = session._session.get_config_variable("ca_bundle")  # noqa: SLF001 - boto3 has no other way to it
    bundle = bundle or os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle:
        try:
            folder = Path(bundle).is_dir()
            ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
        except OSError as error:
            raise OSError(f"the CA bundle {bundle} cannot be used: {error.strerror or error}") from error


@contextmanager
def odd_answers(doing: str) -> Iterator[None]:
    """Take what Python raises in the block, which only reads an answer, for an answer that is not AWS's.

    Raises:
        Unavailable: A proxy, for instance, answered with a 200: the next answer may be AWS's.
    """
    try:
        yield
    except ODD as error:
        raise odd_answer(doing, error) from error


def odd_answer(doing: str, error: Exception) -> errors.F2bError:
    """Make the error for an answer that is not AWS's, from what reading it raised."""
    return errors.Unavailable(
        f"{doing}: the answer has not the form of AWS's ({ascii(error)[:100]}); is it AWS that answers?"
    )


def _is_about_an_answer(error: Exception) -> bool:
    """Tell whether botocore failed on what was answered, in a form that it does not expect.

    It checks that an answer is JSON or XML, and then goes through it as if it had the form of the service's model.
    What fails in our own code, or on the way of a request, is a defect and must be seen.
    """
    modules = {frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)}
    return not modules.isdisjoint(_AFTER_THE_REQUEST)


def error_code(error: ClientError) -> str:
    """Read the error's code without the prefix that older services and some emulators put before it."""
    return _without_prefix(error.response.get("Error", {}).get("Code", ""))


def _without_prefix(code: str) -> str:
    name = code.rsplit("#", maxsplit=1)[-1]
    # SQS names the errors of KMS KMS.DisabledException to old clients and KmsDisabled to new ones.
    return name if _KMS.match(name) else name.rsplit(".", maxsplit=1)[-1]


def _from_code(error: ClientError, doing: str) -> errors.F2bError:
    code = error_code(error)
    line = f"{doing}: {error.response.get('Error', {}).get('Message') or code}"
    if code in _NOT_ALLOWED and "not authorized to perform" not in line:  # the line does not say what is not
        line = f"{line} ({error.operation_name})"
    if code == "WAFInvalidParameterException" and error.response.get("Field") == "IP_ADDRESS":
        return errors.BadEntry(line, str(error.response.get("Parameter", "")))
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return errors.Unavailable(line)
    return error_of(code, line)


def error_of(code: str, line: str) -> errors.F2bError:
    """Turn the code of a part of an answer into our error; *line* is what the user reads."""
    if _KMS.match(code):
        return _of_key(code, line)
    kind = _KINDS.get(code, errors.Rejected)
    if code in _NOT_ALLOWED:
        return errors.AccessDenied(f"{line}; {_policy_file} has the policy that is needed", by_policy=True)
    return kind(f"{line} ({code})" if issubclass(kind, errors.Rejected) else line)


def _of_key(code: str, line: str) -> errors.F2bError:
    """Tell a busy KMS from a key that may not be used, is switched off, or is gone: somebody has to act."""
    if "throttling" in code.lower() or "throttled" in code.lower():
        return errors.Throttled(line)
    return errors.AccessDenied(f"{line} ({code}); {_POLICIES}/kms.json has the policy for a key of yours")


def part_of(answer: Mapping[str, Any], name: str, doing: str, kind: type = object) -> Any:
    """Take a part of an answer that AWS always sends.

    Args:
        answer: As botocore parsed it.
        name: The part's.
        doing: Begins the line that the user reads.
        kind: What the part must be an instance of: botocore does not check the text of a member, for instance.

    Raises:
        Unavailable: If it is missing or another: not AWS answered with a 200, but a proxy, for instance.
    """
    try:
        part = answer[name]
    except KeyError:
        raise errors.Unavailable(f"{doing}: the answer has no {name}; is it AWS that answers?") from None
    if not isinstance(part, kind):
        raise errors.Unavailable(
            f"{doing}: the answer's {name} is a {type(part).__name__}, no {kind.__name__}; is it AWS that answers?"
        )
    return part


def queue_region(queue_url: str) -> str | None:
    """Read the Region out of a queue's URL; None if it names none, as an emulator's.

    Hosts as of https://docs.aws.amazon.com/general/latest/gr/sqs-service.html, FIPS and dual stack included, those
    of interface endpoints (`vpce-….sqs.REGION.vpce.amazonaws.com`) and the old `REGION.queue.amazonaws.com`.
    """
    found = _QUEUE_HOSTS.match(queue_url)
    return (found[1] or found[2] or _OLDEST_QUEUE_REGION) if found else None


def sqs_client(
    queue_url: str, *, connections: int, answer_within_s: float | None = None, poll_s: float = 20
) -> SQSClient:
    """Make an SQS client.

    Args:
        queue_url: Its Region is used where it names one: workers may stand elsewhere.
        connections: How many threads use it at once.
        answer_within_s: Give up after about so long; by default the client outlasts a long poll.
        poll_s: How long a long poll lasts: a connection that swallowed it is given up soon after its end.
    """
    patient = answer_within_s is None
    with _making("SQS client"):
        client: SQSClient = _session().client(
            "sqs",
            region_name=queue_region(queue_url),
            config=_config(
                connections=connections,
                connect_timeout_s=3 if patient else 1,
                read_timeout_s=poll_s + ANSWER_S if answer_within_s is None else answer_within_s / 2,
                attempts=3 if patient else 2,
            ),
        )
    return client


def account_of_credentials(region: str) -> str:
    """Ask STS which account the credentials are of; that needs no permission."""
    config = _config(connections=1, read_timeout_s=5, attempts=3)
    with (
        aws_errors("STS: the account of the credentials"),
        closing(_session().client("sts", region_name=region, config=config)) as client,
    ):
        return str(client.get_caller_identity()["Account"])


def dynamodb_client(*, connections: int, plain_queries: bool = False) -> DynamoDBClient:
    """Make a DynamoDB client that gives up early and tries again: an item answers in milliseconds.

    botocore does not check what it sends: of 102 µs for one of 25 statements in a call that took 37.

    Args:
        connections: How many threads call at once.
        plain_queries: Whether answers to queries are taken as the JSON that they are. Only for a client of which
            no user queries binary attributes: these would stay base64 text.
    """
    config = _config(connections=connections, read_timeout_s=5, attempts=4)
    with _making("DynamoDB client"):
        client: DynamoDBClient = _session().client(
            "dynamodb", config=config.merge(Config(parameter_validation=False))
        )
    if plain_queries:
        client.meta.events.register("before-parse.dynamodb.Query", _parse_plainly)
    return client


def _parse_plainly(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take the answer to a query as the JSON that it is.

    botocore goes through each attribute of each item to decode bytes, of which there are none here: of 1.7 s of
    CPU for 25,000 bans that took 1.4 s. What a handler leaves in the second dictionary stands for what it would
    have parsed (botocore.endpoint, `_do_get_response`).
    """
    if response_dict["status_code"] == 200:
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
    with _making("WAF client"):
        session = _session()
        _refuse_another_partition(session, region)
        client: WAFV2Client = session.client("wafv2", region_name=region, config=config)
    return client


def _refuse_another_partition(session: Any, region: str | None) -> None:
    """Say so where a Region is asked for in which the credentials of this one count for nothing.

    Raises:
        Rejected: If it is so.
    """
    home = session.region_name
    if not region or not home:
        return
    theirs, ours = (session.get_partition_for_region(each) for each in (region, home))
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
    for name in _REGION_VARIABLES:
        if os.environ.get(name):
            return name if os.environ[name] == region else "where WAF has all of scope CLOUDFRONT"
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    return f"of the AWS profile {profile}"


def _session() -> Any:
    # A session of its own: boto3's default session is shared and not safe to make clients from in threads.
    # botocore knows AWS_DEFAULT_REGION only; containers, and every other SDK, have AWS_REGION.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    region = next(filter(None, map(os.environ.get, _REGION_VARIABLES)), None)
    session = boto3.session.Session(region_name=region)
    _check_authorities(session)
    session.events.register("request-created", _note_begin)
    session.events.register("response-received", _learn_time)
    return session


def _config(*, connections: int, read_timeout_s: float, attempts: int, connect_timeout_s: float = 3) -> Config:
    return Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        user_agent=f"f2b-worker/{version('f2b-worker')}",  # botocore makes its own anew for every call: 10-20 µs
    )
