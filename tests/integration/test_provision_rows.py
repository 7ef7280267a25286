"""`f2b provision --rows-only`: what no template can write is written with a worker's permissions alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.provisioning import needs
from tests.integration import roles
from tests.integration.held import held_to
from tests.integration.provisioning import NAMES, provisioned, refusal, run

if TYPE_CHECKING:
    import pytest

    from tests.integration.provisioning import Cloud

ROWS_ONLY = ("provision", "--rows-only", *NAMES)


def make_as_a_template_does(cloud: Cloud) -> None:
    cloud.dynamodb.create_table(TableName=NAMES[3], **needs.table_keys())


def rows(cloud: Cloud) -> set[tuple[str, str]]:
    return {(each["pk"]["S"], each["sk"]["S"]) for each in cloud.dynamodb.scan(TableName=NAMES[3])["Items"]}


def test_it_writes_the_rows_that_provision_writes_and_needs_no_more_than_a_worker_may(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_as_a_template_does(cloud)
    with held_to(cloud, roles.policy("worker", cloud.account), monkeypatch):
        first, second = run(*ROWS_ONLY), run(*ROWS_ONLY)
    assert first.stdout.splitlines() == ["ban log of table ledger: made", "format of table ledger: made"]
    assert second.stdout.splitlines() == ["ban log of table ledger: there", "format of table ledger: there"]
    written = rows(cloud)
    cloud.dynamodb.delete_table(TableName=NAMES[3])
    provisioned(*NAMES)
    assert written == rows(cloud)


def test_it_makes_neither_a_queue_nor_an_ip_set(cloud: Cloud) -> None:
    make_as_a_template_does(cloud)
    assert run(*ROWS_ONLY).exit_code == 0
    assert not cloud.sqs.list_queues().get("QueueUrls")
    assert cloud.ip_sets() == []


def test_a_dry_run_writes_nothing(cloud: Cloud) -> None:
    make_as_a_template_does(cloud)
    answer = run(*ROWS_ONLY, "--dry-run")
    assert answer.stdout.splitlines()[0] == "ban log of table ledger: would be made"
    assert rows(cloud) == set()


def test_a_table_that_is_missing_is_not_made_and_one_line_says_what_to_do(cloud: Cloud) -> None:
    line = refusal(run(*ROWS_ONLY))
    assert line.startswith("f2b: table ledger")
    assert line.endswith("make it first, with its template or with f2b provision without --rows-only")
    assert cloud.dynamodb.list_tables()["TableNames"] == []


def test_what_a_worker_may_not_do_is_told_with_the_workers_policy(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_as_a_template_does(cloud)
    policy = roles.without(roles.policy("worker", cloud.account), "KeepTheLedger", "dynamodb:PutItem")
    with held_to(cloud, policy, monkeypatch):
        line = refusal(run(*ROWS_ONLY))
    assert line.endswith("docs/iam/worker.json has the policy that is needed")


def test_together_with_a_rule_group_it_is_refused() -> None:
    answer = run(*ROWS_ONLY, "--rule-group", "f2b")
    assert answer.exit_code == 2
    assert "--rows-only makes no rule group" in answer.stderr
