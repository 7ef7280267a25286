"""The URLs by which AWS is called, endpoint and proxy, are read before the first call."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters import aws
from f2b_worker.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS: dict[str, Callable[[], Any]] = {
    "SQS client": lambda: aws.sqs_client("f2b", connections=1),
    "DynamoDB client": lambda: aws.dynamodb_client(connections=1),
    "WAF client": lambda: aws.wafv2_client(None),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ("", "_SQS", "_DYNAMODB", "_WAFV2"):
        monkeypatch.delenv(f"AWS_ENDPOINT_URL{service}", raising=False)
    for name in ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")


@pytest.mark.parametrize("what", CLIENTS)
@pytest.mark.parametrize("endpoint", ["localhost:4566", "http://h:abc", "http://h:99999", "http://a b", "http://"])
def test_an_endpoint_that_is_no_url_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, what: str, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(Misconfigured) as caught:
        CLIENTS[what]()
    assert str(caught.value).startswith(f"{what}: ")
    assert str(caught.value).endswith("; check AWS_ENDPOINT_URL")


@pytest.mark.parametrize("endpoint", [" http://h:1 ", "http://h:1\n", "\thttp://h:1", "http://a  b"])
def test_an_endpoint_with_white_space_is_named_by_its_own_variable(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://h:1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "endpoint")
    with pytest.raises(Misconfigured) as caught:
        CLIENTS["SQS client"]()
    assert str(caught.value).endswith("; check AWS_ENDPOINT_URL_SQS for white space")


@pytest.mark.parametrize(
    ("what", "name", "proxy"),
    [
        ("SQS client", "HTTPS_PROXY", "http://me:secret@h:abc"),
        ("DynamoDB client", "HTTPS_PROXY", "http://h:99999"),
        ("WAF client", "HTTPS_PROXY", "http://a b:1"),
        ("SQS client", "https_proxy", "ftp://h:1"),
        ("DynamoDB client", "https_proxy", "://"),
        ("WAF client", "https_proxy", "a b"),
    ],
)
def test_a_proxy_that_cannot_be_called_is_named_by_its_variable_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, what: str, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    with pytest.raises(Misconfigured) as caught:
        CLIENTS[what]()
    assert str(caught.value) == f"{what}: the proxy is no URL like http://HOST:PORT; check {name}"


@pytest.mark.parametrize(
    "proxy", ["http://h:3128", "https://me:secret@h", "h:3128", "h", "//h:1", "http://[::1]:3128/"]
)
def test_a_proxy_that_botocore_can_call_is_taken(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with closing(CLIENTS["SQS client"]()) as client:
        assert client.meta.region_name == "us-east-2"


def test_a_proxy_that_is_not_asked_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://h:abc")
    with closing(CLIENTS["SQS client"]()) as client:
        assert client.meta.endpoint_url.startswith("https://")
    monkeypatch.setenv("HTTPS_PROXY", "http://h:abc")
    monkeypatch.setenv("NO_PROXY", "amazonaws.com")
    with closing(CLIENTS["SQS client"]()) as client:
        assert client.meta.endpoint_url.startswith("https://")


@pytest.mark.parametrize("name", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
@pytest.mark.parametrize("value", ["yes", "1", "ture"])
def test_a_misspelt_true_is_refused_and_not_taken_for_false(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as caught:
        CLIENTS["SQS client"]()
    assert str(caught.value) == f"SQS client: {name} is {value!r}, neither true nor false; check {name}"


def test_a_setting_that_is_named_is_blamed_and_none_whose_value_is_a_word_of_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "ture")
    with pytest.raises(Misconfigured, match=r"; check AWS_USE_FIPS_ENDPOINT$"):
        CLIENTS["SQS client"]()


@pytest.mark.parametrize(("value", "has_fips"), [("true", True), ("True", True), ("false", False), ("", False)])
def test_fips_is_used_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, value: str, has_fips: bool) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", value)
    with closing(CLIENTS["SQS client"]()) as client:
        assert ("fips" in client.meta.endpoint_url) is has_fips
