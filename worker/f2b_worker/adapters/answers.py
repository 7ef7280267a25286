"""What AWS answers: its errors, and what has not the form of its answers, become errors of ours here alone."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, NoReturn

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

from f2b_worker import errors
from f2b_worker.adapters.caller import CALLER, POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CREDENTIALS_AWAY = (CredentialRetrievalError, MetadataRetrievalError, TokenRetrievalError)
_GIVE_CREDENTIALS = "give this process a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NO_CREDENTIALS = (PartialCredentialsError, SSOError, NoRegionError)
ABOUT_CREDENTIALS = (*_CREDENTIALS_AWAY, *_NO_CREDENTIALS, NoCredentialsError)
"""What botocore raises where there are no credentials, or none that can be used."""

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
    "RequestExpired",  # it was on the way for long, as of a machine that slept: the next one is signed anew
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
    "AuthorizationError",  # of SNS, as the next ones
    "AuthorizationErrorException",
    "InvalidSecurity",  # no HTTPS, or another signature than version 4
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException"}
_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
_KMS = re.compile(r"KMS\.?", re.IGNORECASE)
_MISSING = {
    "QueueDoesNotExist",
    "NonExistentQueue",
    "ResourceNotFoundException",
    "NotFound",  # of SNS, as the next one
    "NotFoundException",
    "ResourceNotFound",  # of one statement in a batch
    "WAFNonexistentItemException",
}
_INVALID = {
    "ValidationException",
    "ValidationError",  # of one statement in a batch, or of one item in a transaction
    "InvalidParameter",  # of SNS, as the next one
    "InvalidParameterException",
    "SerializationException",  # a value of the wrong type: botocore does not check what it sends
}
KINDS_BY_CODE: dict[str, type[errors.F2bError]] = {
    **dict.fromkeys(_THROTTLED, errors.Throttled),
    **dict.fromkeys(_UNAVAILABLE, errors.Unavailable),
    **dict.fromkeys(_DENIED, errors.AccessDenied),
    **dict.fromkeys(_EXPIRED, errors.CredentialsAway),
    **dict.fromkeys(_MISSING, errors.Missing),
    **dict.fromkeys(_INVALID, errors.Invalid),
    "WAFOptimisticLockException": errors.LockLost,
}
_NO_HEADER = "Invalid header value"
BAD_KEYS = (
    "the credentials hold a line break, or another character that no header takes; "
    "check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN, or who gives them out"
)
"""What is said of such credentials; their text is not shown."""

_OF_AWS = "x-amzn-requestid"
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
        _raise_of_the_way(error, doing)
    except BotoCoreError as error:
        raise errors.Rejected(f"{doing}: {error}") from error
    except Exception as error:
        if isinstance(error, errors.F2bError) or not _is_about_an_answer(error):
            raise
        raise odd_answer(doing, error) from error


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
    if isinstance(error, OSError):  # of a file with credentials: a connection's errors are botocore's
        return errors.CredentialsAway(f"{doing}: {error}")
    return errors.Unavailable(
        f"{doing}: the answer has not the form of AWS's ({ascii(error)[:100]}); is it AWS that answers?"
    )


def _raise_of_the_way(error: Exception, doing: str) -> NoReturn:
    if _NO_HEADER in str(error):  # its text holds the value, which no log may show: so it is no cause, either
        raise errors.AccessDenied(f"{doing}: {BAD_KEYS}") from None
    raise errors.Unavailable(f"{doing}: {error}") from error


def refuse_unread(
    parsed_response: Mapping[str, Any] | None, response_dict: Mapping[str, Any] | None, **_: object
) -> None:
    """Refuse an answer of which botocore took nothing: it takes what is no JSON for an answer without members.

    A proxy's page, or an answer that was cut off, would else be an empty queue or a write that took effect.

    Raises:
        ResponseParserError: If it is so.
    """
    # ResponseMetadata is always there.
    if parsed_response is None or response_dict is None or len(parsed_response) > 1:
        return
    body, headers = response_dict["body"], response_dict["headers"]
    if body == b"{}" or (not body and _OF_AWS in headers):
        return
    try:
        is_object = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        kind = headers.get("content-type", "no content type")
        raise ResponseParserError(
            f"status {response_dict['status_code']} with {len(body)} bytes of {kind}, which AWS does not answer; "
            "is it a proxy that answers?"
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


def is_throttled(code: str) -> bool:
    """Tell whether AWS asks for fewer calls by this code."""
    return KINDS_BY_CODE.get(_without_prefix(code)) is errors.Throttled


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
    kind = KINDS_BY_CODE.get(code, errors.Rejected)
    if code in _NOT_ALLOWED:
        return errors.AccessDenied(f"{line}; {CALLER.policy_file} has the policy that is needed", by_policy=True)
    return kind(f"{line} ({code})" if issubclass(kind, errors.Rejected) else line)


def _of_key(code: str, line: str) -> errors.F2bError:
    """Tell a busy KMS from a key that may not be used, is switched off, or is gone: somebody has to act."""
    if "throttling" in code.lower() or "throttled" in code.lower():
        return errors.Throttled(line)
    return errors.AccessDenied(f"{line} ({code}); {POLICIES}/kms.json has the policy for a key of yours")


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
