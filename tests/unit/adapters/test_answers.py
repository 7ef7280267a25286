"""Whatever botocore raises leaves the adapters as an error of ours."""

from __future__ import annotations

import inspect
import string
from collections import defaultdict
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from f2b_worker import errors
from f2b_worker.adapters.answers import aws_errors, part_of

FOREIGN = sorted(
    (
        kind
        for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(kind, (BotoCoreError, ClientError))
    ),
    key=lambda kind: kind.__name__,
)


def client_error(code: str, status: int = 400, **fields: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "m"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **fields,
    }
    return ClientError(answer, "UpdateIPSet")


def instance_of(kind: type[Exception]) -> Exception:
    """Make an exception of any of botocore's classes, with text in each place of its message."""
    if issubclass(kind, ClientError):
        return kind({"Error": {"Code": "AnyCode", "Message": "m"}}, "AnyOperation")
    if kind is botocore.exceptions.WaiterError:
        return kind("x", "x", {})
    text: str = getattr(kind, "fmt", "")
    places: dict[str, Any] = {name: "x" for _, name, _, _ in string.Formatter().parse(text) if name}
    return kind(**defaultdict(str, places))


def ours(error: Exception) -> errors.F2bError:
    with pytest.raises(errors.F2bError) as caught, aws_errors("doing so"):
        raise error
    assert caught.value.__cause__ is error
    assert str(caught.value).startswith("doing so: ")
    return caught.value


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.__name__)
def test_nothing_of_botocore_leaks(kind: type[Exception]) -> None:
    ours(instance_of(kind))


KINDS = {
    errors.Throttled: """
        ThrottlingException Throttling ThrottledException RequestThrottled RequestThrottledException
        TooManyRequestsException ProvisionedThroughputExceededException RequestLimitExceeded SlowDown
        KMS.ThrottlingException KmsThrottled KMSThrottlingException com.amazonaws.sqs#KmsThrottled OverLimit
    """,
    errors.Unavailable: """
        InternalServerError InternalError InternalFailure ServiceUnavailable WAFInternalErrorException
        RequestTimeout WAFUnavailableEntityException TransactionCanceledException TransactionConflictException
        TransactionInProgressException QueueDeletedRecently AWS.SimpleQueueService.QueueDeletedRecently
        ContinuousBackupsUnavailableException RequestExpired
    """,
    errors.AccessDenied: """
        AccessDenied AccessDeniedException UnrecognizedClientException InvalidClientTokenId
        SignatureDoesNotMatch InvalidSignatureException MissingAuthenticationToken
        KmsAccessDenied KmsDisabled KmsInvalidKeyUsage KmsInvalidState KmsNotFound KmsOptInRequired
        KMS.AccessDeniedException KMS.DisabledException KMS.InvalidStateException KMS.NotFoundException
        KMS.OptInRequired KMSAccessDeniedException com.amazonaws.sqs#KmsDisabled InvalidSecurity
    """,
    errors.CredentialsAway: "ExpiredToken ExpiredTokenException",
    errors.Missing: """
        QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue com.amazonaws.sqs#QueueDoesNotExist
        ResourceNotFoundException WAFNonexistentItemException
    """,
    errors.LockLost: "WAFOptimisticLockException",
    errors.Invalid: "ValidationException ValidationError com.amazon.coral.validate#ValidationException",
    errors.Rejected: """
        ConditionalCheckFailedException WAFLimitsExceededException InvalidParameterValue
        WAFInvalidParameterException ACodeThatIsNotYetInvented
    """,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_code_has_its_class(kind: type[errors.F2bError]) -> None:
    codes = KINDS[kind].split()
    assert {code: type(ours(client_error(code))) for code in codes} == dict.fromkeys(codes, kind)


def codes_of(service: str) -> set[str]:
    """Every error that a service's model knows, under each name by which it may come."""
    model = Session().get_service_model(service)
    shapes = [model.shape_for(name) for name in model.shape_names]
    errors_of_model = [shape for shape in shapes if shape.metadata.get("exception")]
    return {shape.metadata.get("error", {}).get("code", shape.name) for shape in errors_of_model} | {
        shape.name for shape in errors_of_model
    }


COMMON = """
    AccessDenied ExpiredToken IncompleteSignature InternalFailure InvalidAction InvalidClientTokenId
    MalformedQueryString MissingAuthenticationTokenException NotAuthorized OptInRequired RequestExpired
    ServiceUnavailable UnknownOperationException ReplicatedWriteConflictException IDPCommunicationError
"""
PROXIES = "301 302 400 401 403 404 405 407 408 413 418 421 429 451"


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "sts", "wafv2"])
def test_no_error_that_a_service_knows_is_taken_for_one_items_own_but_those_of_validation(service: str) -> None:
    own = {code for code in codes_of(service) if isinstance(ours(client_error(code)), errors.Invalid)}
    assert own <= {"ValidationException"}


@pytest.mark.parametrize("code", [*COMMON.split(), *PROXIES.split(), ""])
def test_what_anybody_on_the_way_may_answer_is_not_taken_for_one_items_own(code: str) -> None:
    assert not isinstance(ours(client_error(code, 400)), errors.Invalid)


def test_an_answer_that_is_no_json_is_worth_another_try() -> None:
    assert type(ours(ResponseParserError("Expecting value: <html>"))) is errors.Unavailable


def test_an_answer_without_the_part_that_aws_always_sends_is_worth_another_try() -> None:
    assert part_of({"Items": []}, "Items", "reading") == []
    with pytest.raises(errors.Unavailable, match="reading: the answer has no Items"):
        part_of({}, "Items", "reading")


OF_A_MESSAGE_OR_A_BUG = [
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidAddress",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidBatchEntryId",
    "InvalidIdFormat",
    "InvalidMessageContents",
    "MessageNotInflight",
    "PurgeQueueInProgress",
    "QueueNameExists",
    "ReceiptHandleIsInvalid",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
]


def test_every_error_that_the_model_of_sqs_knows_has_a_kind_that_somebody_chose() -> None:
    """By the names of the model, as they come to a client that does not ask for those of the old protocol."""
    chosen = {code for codes in KINDS.values() for code in codes.split()} | set(OF_A_MESSAGE_OR_A_BUG)
    assert codes_of("sqs") - chosen == set()
    assert {
        code for code in OF_A_MESSAGE_OR_A_BUG if type(ours(client_error(code))) is not errors.Rejected
    } == set()


@pytest.mark.parametrize("code", ["KmsAccessDenied", "KMS.DisabledException"])
def test_a_key_that_may_not_be_used_is_named_with_the_policy_for_keys(code: str) -> None:
    error = ours(client_error(code))
    assert str(error) == f"doing so: m ({code}); docs/iam/kms.json has the policy for a key of yours"


def test_only_what_a_policy_does_not_allow_counts_as_that() -> None:
    by_policy = {
        code: getattr(ours(client_error(code)), "by_policy")  # noqa: B009 - of AccessDenied alone
        for code in KINDS[errors.AccessDenied].split()
    }
    assert {code for code, is_so in by_policy.items() if is_so} == {"AccessDenied", "AccessDeniedException"}


def test_a_refusal_that_names_no_action_is_told_with_the_call() -> None:
    error = ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "Access to the resource q is denied."}}, "Send"
    )
    assert str(ours(error)).startswith("doing so: Access to the resource q is denied. (Send); docs/iam/")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_of_any_code_is_unavailable(status: int) -> None:
    assert type(ours(client_error("ACodeThatIsNotYetInvented", status))) is errors.Unavailable


@pytest.mark.parametrize(
    "code",  # of botocore.retries.standard, less what has its place above
    ["RequestTimeoutException", "PriorRequestNotComplete", "BandwidthLimitExceeded", "LimitExceededException"],
)
def test_what_the_sdk_would_try_again_is_worth_another_try(code: str) -> None:
    assert isinstance(ours(client_error(code)), errors.Retryable)


@pytest.mark.parametrize(
    "kind",
    [
        botocore.exceptions.EndpointConnectionError,
        botocore.exceptions.ConnectTimeoutError,
        botocore.exceptions.ReadTimeoutError,
        botocore.exceptions.ConnectionClosedError,
        botocore.exceptions.ProxyConnectionError,
        botocore.exceptions.SSLError,
        botocore.exceptions.HTTPClientError,
        botocore.exceptions.ResponseStreamingError,
    ],
)
def test_a_broken_connection_is_worth_another_try(kind: type[Exception]) -> None:
    assert type(ours(instance_of(kind))) is errors.Unavailable


@pytest.mark.parametrize(
    "kind",
    [
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.CredentialRetrievalError,
        botocore.exceptions.MetadataRetrievalError,
        botocore.exceptions.TokenRetrievalError,
        botocore.exceptions.UnauthorizedSSOTokenError,
        botocore.exceptions.SSOTokenLoadError,
    ],
)
def test_credentials_that_cannot_be_had_hold_the_messages_back(kind: type[Exception]) -> None:
    """Anything else would be taken for a fault of the one offender, and its messages end among the dead."""
    assert isinstance(ours(instance_of(kind)), (errors.AccessDenied, errors.Retryable))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (botocore.exceptions.NoRegionError, "no Region is set; set AWS_REGION"),
        (
            botocore.exceptions.NoCredentialsError,
            "give this process a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
    ],
)
def test_what_a_first_start_lacks_is_named_with_what_to_set(kind: type[Exception], told: str) -> None:
    assert str(ours(instance_of(kind))).endswith(f" {told}")


def test_a_bad_entry_is_named_as_waf_names_it() -> None:
    error = ours(client_error("WAFInvalidParameterException", Field="IP_ADDRESS", Parameter="10.0.0.1/8"))
    assert isinstance(error, errors.BadEntry)
    assert error.entry == "10.0.0.1/8"


def test_another_bad_parameter_is_no_bad_entry() -> None:
    error = client_error("WAFInvalidParameterException", Field="SCOPE_VALUE", Parameter="MOON")
    assert type(ours(error)) is errors.Rejected


def test_the_line_says_what_was_done_and_what_aws_said() -> None:
    assert str(ours(client_error("ThrottlingException"))) == "doing so: m"
    assert str(ours(client_error("ValidationException"))) == "doing so: m (ValidationException)"


def test_an_error_without_any_detail_still_has_a_line() -> None:
    assert type(ours(ClientError({}, "UpdateIPSet"))) is errors.Rejected


@pytest.mark.parametrize("error", [KeyError("a defect of ours"), errors.LockLost("ours already")])
def test_what_is_not_botocores_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, aws_errors("doing so"):
        raise error
    assert caught.value is error


def test_every_error_of_ours_is_either_worth_another_try_or_not() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    leaves = classes - {errors.F2bError, errors.StartError, errors.GaveUp, errors.StuckError, errors.RefusedError}
    assert all(issubclass(kind, errors.Retryable) != issubclass(kind, errors.Permanent) for kind in leaves)
