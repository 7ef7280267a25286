"""Credentials that are missing or refused for a while: nothing is lost, and nobody has to restart anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.producer_aws import LocalCredentials, LocalQueue, serving
from tests.integration.producer_process import KEYS, NO_FILES, application

if TYPE_CHECKING:
    from pathlib import Path

REPORTS = 347
SETUP = """
from f2b_producer import Producer, _aws
f2b = Producer(URL, linger_s=0, flush_timeout_s=120)

def report(n):
    for i in range(n):
        f2b.report(f'203.0.{i >> 8}.{i & 255}')
"""


def places(metadata: LocalCredentials) -> dict[str, dict[str, str]]:
    """Name where an instance, and a container, asks for its credentials."""
    return {
        "instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url, **NO_FILES},
        "container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{metadata.url}/credentials", **NO_FILES},
    }


@pytest.mark.parametrize("place", ["instance", "container"])
def test_credentials_that_come_after_the_first_report_are_found_and_everything_is_sent(place: str) -> None:
    with serving(LocalQueue()) as queue, serving(LocalCredentials()) as metadata:
        metadata.silent = True
        environment = {**places(metadata)[place], "AWS_ENDPOINT_URL_SQS": queue.url}
        with application(SETUP, environment) as process:
            process.ask(f"report({REPORTS})")
            assert metadata.asked.wait(20)
            assert not process.ask("f2b.flush(3)")
            metadata.silent = False
            assert process.ask("f2b.flush()")
            process.end()
    assert len(queue.infractions()) == REPORTS


def test_credentials_that_are_rotated_in_a_file_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    with serving(LocalQueue()) as queue:
        write_key(file, "OLD")
        environment = {**KEYS, "AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_ENDPOINT_URL_SQS": queue.url}
        del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        with application(SETUP, environment) as process:
            process.ask("report(1)")
            assert process.ask("f2b.flush()")
            queue.takes_key = "NEW"
            queue.asked.clear()
            process.ask(f"report({REPORTS})")
            assert queue.asked.wait(60)
            write_key(file, "NEW")
            assert process.ask("f2b.flush()")
            process.end()
    assert len(queue.infractions()) == REPORTS + 1


def write_key(file: Path, key: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")


def test_warm_up_says_no_while_there_are_no_credentials_and_yes_when_there_are() -> None:
    with serving(LocalQueue()) as queue, serving(LocalCredentials()) as metadata:
        metadata.silent = True
        environment = {**places(metadata)["instance"], "AWS_ENDPOINT_URL_SQS": queue.url}
        with application(SETUP, environment) as process:
            assert process.ask("f2b.warm_up()") is False
            metadata.silent = False
            # More than once, as botocore waits a second for each answer, and a busy machine may take longer.
            assert any(process.ask("f2b.warm_up()") for _ in range(20))
            assert process.ask("f2b.stats().accepted") == 0
            process.end()
    assert process.complaints == ""


def test_a_role_whose_service_is_silent_is_asked_for_as_short_as_the_queue(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/f2b\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = AKID\naws_secret_access_key = secret\n"
    )
    with serving(LocalCredentials()) as sts:
        sts.silent = True
        environment = {**NO_FILES, "AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL_STS": sts.url}
        # botocore's own timeout is a minute, for each of five attempts.
        with application(SETUP + "_aws.READ_TIMEOUT_S = 0.1\n", environment) as process:
            assert process.ask("f2b.warm_up()") is False
            process.end()
        assert sts.asked.is_set()
