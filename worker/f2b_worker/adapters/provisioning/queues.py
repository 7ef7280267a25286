"""The queue and its dead-letter queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, part_of
from f2b_worker.adapters.aws import account_of_credentials, sqs_client
from f2b_worker.adapters.provisioning import needs
from f2b_worker.adapters.provisioning.steps import Step, finds
from f2b_worker.adapters.sqs.attributes import dead_letter_url_of, is_url, queue_url_of
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

    from f2b_worker.adapters.provisioning.steps import Patience


class Queues:
    """A queue and its dead-letter queue, made or not.

    Args:
        queue: The queue's name or URL.
        patience: For what SQS does not show yet.
    """

    def __init__(self, queue: str, patience: Patience) -> None:
        self._client = sqs_client(queue, connections=1)
        self._given = queue
        self._name = queue.rstrip("/").rsplit("/", maxsplit=1)[-1]
        self._dead = needs.dead_letters_of(self._name)
        self._patience = patience
        self._made_with_redrive = False

    def steps(self) -> Iterator[Step]:
        """List what has to be there, in the order in which it can be made.

        Raises:
            StartError: If the queue is another account's: it would be made here, and nobody would use it.
        """
        self._refuse_another_accounts()
        yield Step(
            f"dead-letter queue {self._dead}",
            lambda: finds(self._redrive) or finds(queue_url_of, self._client, self._dead),
            lambda: self._make(self._dead),
        )
        yield Step(
            f"queue {self._name}", lambda: finds(queue_url_of, self._client, self._name), self._make_with_redrive
        )
        yield Step(
            f"redrive of {self._name} to its dead-letter queue",
            lambda: not self._made_with_redrive and finds(self._redrive),
            self._set_redrive,
        )

    def _refuse_another_accounts(self) -> None:
        owner = _account_in(self._given)
        if owner and (own := account_of_credentials(self._client.meta.region_name)) != owner:
            raise StartError(
                f"queue {self._given} is in account {owner}, and the credentials are of account {own}: "
                "run it with credentials of that account, or give the name of a queue to make here"
            )

    def _redrive(self) -> str:
        return dead_letter_url_of(self._client, queue_url_of(self._client, self._name))

    def _make(self, name: str, **more: str) -> None:
        attributes: Any = {**needs.queue_attributes(), **more}
        with aws_errors(f"making queue {name}"):
            self._client.create_queue(QueueName=name, Attributes=attributes)
        self._patience.until_shown(f"queue {name}", lambda: _arn_of(self._client, name))

    def _make_with_redrive(self) -> None:
        """Make the queue with its redrive policy: one that is set later takes up to a minute to be seen."""
        self._make(self._name, RedrivePolicy=self._policy())
        self._made_with_redrive = True

    def _set_redrive(self) -> None:
        if not self._made_with_redrive:
            url = queue_url_of(self._client, self._name)
            policy = self._policy()
            with aws_errors(f"setting the redrive policy of {self._name}"):
                self._client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
        self._patience.until_shown(f"redrive of {self._name}", self._redrive)

    def _policy(self) -> str:
        return needs.redrive_policy(_arn_of(self._client, self._dead))


def _arn_of(client: SQSClient, name: str) -> str:
    doing = f"queue {name}"
    url = queue_url_of(client, name)
    with aws_errors(doing):
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(part_of(part_of(answer, "Attributes", doing), "QueueArn", doing))


def _account_in(queue: str) -> str | None:
    """Read the account out of a queue's URL; None if it names none."""
    account = queue.rstrip("/").split("/")[-2] if is_url(queue) else ""
    return account if len(account) == 12 and account.isdigit() else None
