from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from f2b_worker.adapters.sqs.sigv4 import Signer

NOW = datetime(2026, 11, 22, 21, 27, 3, tzinfo=UTC)
HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessageBatch"}


@pytest.mark.parametrize("token", [None, "a/session+token=="])
@pytest.mark.parametrize("url", ["https://sqs.eu-west-1.amazonaws.com/", "http://127.0.0.1:4566/"])
@pytest.mark.parametrize("body", [b"", b'{"QueueUrl": "q"}', "ü\x00".encode()])
def test_a_signature_is_the_one_that_botocore_would_make(token: str | None, url: str, body: bytes) -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    request = AWSRequest("POST", url, headers=HEADERS, data=body)
    with patch("botocore.auth.get_current_datetime", lambda *_: NOW.replace(tzinfo=None)):
        SigV4Auth(credentials, "sqs", "eu-west-1").add_auth(request)
    frozen = credentials.get_frozen_credentials()
    host = url.split("/")[2]
    signed = Signer("eu-west-1", "sqs").sign("/", HEADERS | {"host": host}, body, frozen, NOW.timestamp())
    assert signed["authorization"] == request.headers["Authorization"]
    assert signed["x-amz-date"] == request.headers["X-Amz-Date"]
    assert signed.get("x-amz-security-token") == token


def test_another_day_and_other_credentials_have_another_key() -> None:
    signer = Signer("eu-west-1", "sqs")
    one, other = (Credentials("AKID", secret).get_frozen_credentials() for secret in ("one", "other"))
    made = {
        signer.sign("/", {"host": "h"}, b"", credentials, at_s)["authorization"].rsplit("=", 1)[1]
        for credentials in (one, other)
        for at_s in (NOW.timestamp(), NOW.timestamp() + 86_400)
    }
    fresh = Signer("eu-west-1", "sqs").sign("/", {"host": "h"}, b"", one, NOW.timestamp())
    assert len(made) == 4
    assert fresh["authorization"].rsplit("=", 1)[1] in made
