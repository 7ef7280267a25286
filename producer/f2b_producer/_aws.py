import math
import os
import re
from typing import TYPE_CHECKING, cast

from f2b_producer._loading import loading
from f2b_producer._quiet import hush

if TYPE_CHECKING:
    from f2b_producer._queue import QueueClient

CONNECT_TIMEOUT_S = 2  # a queue in the same region answers in milliseconds
READ_TIMEOUT_S = 5
SHARE_MIN_S = 0.01  # 0 would mean no timeout at all
ATTEMPTS = 2  # the pump retries by itself, with the same pack ids
CONNECTIONS = 1  # one thread sends
_SERVER_ERROR = 500

_REGION = r"([a-z]+(?:-[a-z]+)+-\d+)"
_HOSTS = re.compile(  # as in f2b_worker.adapters.aws
    rf"https?://(?:[^./]+\.)?sqs(?:-fips)?\.{_REGION}\.(?:vpce\.)?[a-z]"
    rf"|https?://(?:{_REGION}\.)?queue\.amazonaws\.com\b"
)
_OLDEST_REGION = "us-east-1"  # of queue.amazonaws.com


class MissingBoto3Error(RuntimeError):
    """There is neither a client nor boto3 to make one."""


class MissingRegionError(ValueError):
    """Neither the queue's URL nor the settings say in which region it is."""


@loading()
def connect(queue_url: str, within_s: float | None = None) -> "QueueClient":
    """Return an SQS client with short timeouts, for the region that *queue_url* names.

    Endpoint, credentials and, for a URL that names none, the region come from the standard AWS settings;
    AWS_REGION, which containers have and botocore ignores, is the last resort.

    Args:
        queue_url: The queue.
        within_s: Seconds that a call may take in all; None leaves it the usual time and a second attempt.

    Raises:
        MissingBoto3Error: If boto3 is not installed.
        MissingRegionError: If there is no region.
    """
    try:
        # botocore, which boto3 installs: `import boto3` fails in a thread of a program that is already
        # ending (s3transfer wants an exit hook), and a short script ends right after its first report.
        from botocore.config import Config  # noqa: PLC0415 - 0.1 s of import, in the background only
        from botocore.session import get_session  # noqa: PLC0415
    except ImportError as error:
        raise MissingBoto3Error("boto3 is not installed: pip install boto3, or give Producer a client") from error
    hush()  # already what it logs while it looks for credentials
    # Connecting and reading come one after the other, and making the client takes its time too.
    share_s = math.inf if within_s is None else max(SHARE_MIN_S, within_s * 0.4)
    config = Config(
        connect_timeout=min(CONNECT_TIMEOUT_S, share_s),
        read_timeout=min(READ_TIMEOUT_S, share_s),
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS if within_s is None else 1},
        max_pool_connections=CONNECTIONS,
        user_agent_extra="f2b-producer",
    )
    session = get_session()
    # For the clients that a role needs to find its credentials, too: those of botocore wait a minute.
    session.set_default_client_config(config)
    # botocore knows AWS_DEFAULT_REGION only; the profile's Region comes after both variables, as everywhere.
    named = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    region = region_of(queue_url) or named or session.get_config_variable("region")
    if not region:  # botocore's own words do not say that a name or an ARN stands where a URL should
        raise MissingRegionError(
            f"queue_url {queue_url!r} names no region: give the queue's whole URL,"
            " https://sqs.REGION.amazonaws.com/ACCOUNT/NAME, or set AWS_REGION"
        )
    return cast("QueueClient", session.create_client("sqs", region_name=region))


def find_credentials(client: "QueueClient") -> None:
    """Have *client*, made by `connect`, sign something: raises what botocore says if it has no credentials."""
    # The one public way to sign without a call. It costs a millisecond, and loads the rules for endpoints.
    sign = getattr(client, "generate_presigned_url", None)
    if sign is not None:
        sign("list_queues")


def may_heal(error: BaseException) -> bool:
    """Whether a new client may do better than the one that met *error*.

    It finds credentials and settings anew. So only what the network or the service has failed in is left out; to
    name all that can be wrong with credentials would forget some.
    """
    from botocore.exceptions import ClientError, HTTPClientError  # noqa: PLC0415 - who has a client has it
    from botocore.exceptions import ConnectionError as Unreachable  # noqa: PLC0415

    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) < _SERVER_ERROR
    return not isinstance(error, (Unreachable, HTTPClientError, OSError))


def region_of(queue_url: str) -> str | None:
    """Return the region in *queue_url*, or None for an emulator's and other hosts."""
    match = _HOSTS.match(queue_url)
    return match and (match[1] or match[2] or _OLDEST_REGION)
