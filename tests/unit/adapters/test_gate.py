from __future__ import annotations

import pytest

from f2b_worker.adapters.answers import aws_errors
from f2b_worker.adapters.aws import dynamodb_client
from f2b_worker.adapters.gate import Gate
from f2b_worker.errors import Unavailable


@pytest.fixture
def _nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_nobody_answers")
def test_no_call_and_no_further_try_leaves_through_a_shut_gate() -> None:
    client, gate, sent = dynamodb_client(connections=1), Gate(), list[str]()
    gate.watch(client)

    def shut_while_it_is_sent(**_: object) -> None:
        sent.append("a try")
        gate.shut()

    client.meta.events.register_last("before-send", shut_while_it_is_sent)
    for tries in (1, 1):  # the first is under way when the gate is shut: it is not tried again
        with pytest.raises(Unavailable, match="who asked for it was answered already"), aws_errors("reading"):
            client.get_item(TableName="f2b", Key={"pk": {"S": "a"}})
        assert len(sent) == tries
    client.close()
