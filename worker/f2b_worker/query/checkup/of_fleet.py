"""The queue and the table of a fleet: whether they are as workers need them, and what a role may do to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from f2b_worker import __version__
from f2b_worker.adapters.aws import dynamodb_client, sqs_client
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.probes import queue_probes, table_probes
from f2b_worker.adapters.provisioning import fleet as provisioning
from f2b_worker.adapters.provisioning.fleet import Protections
from f2b_worker.adapters.provisioning.needs import dead_letters_of
from f2b_worker.adapters.provisioning.steps import Patience
from f2b_worker.adapters.sqs.attributes import dead_letter_url_of, is_url, queue_settings_of, queue_url_of
from f2b_worker.errors import F2bError, Missing
from f2b_worker.process.opening import provision_command
from f2b_worker.process.queue import remarks
from f2b_worker.query.checkup.check import Check, Role, permissions, told, unreadable_in
from f2b_worker.query.looking import alive_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from f2b_worker.adapters.probes import Probes
    from f2b_worker.adapters.provisioning.steps import Step
    from f2b_worker.config.operator import OperatorSettings

_DEAD_LETTERS = "dlq"
_RECEIVING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
_SENDING = ("sqs:SendMessage",)
_COUNTING = ("sqs:GetQueueAttributes",)
_READING = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
_WRITING = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
_IN_BATCHES = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")


class _Queue:
    """A queue, asked for when somebody needs it."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._given = settings.required_queue
        self.name = self._given.rstrip("/").rsplit("/", maxsplit=1)[-1]
        self.command = provision_command(settings, settings.config)
        self._client = sqs_client(self._given, connections=1, answer_within_s=5)

    def url(self) -> str:
        """Find it."""
        return queue_url_of(self._client, self._given)

    def dead_url(self) -> str:
        """Find its dead-letter queue."""
        return dead_letter_url_of(self._client, self.url())

    def url_to_send_to(self) -> str:
        """Name it as a producer does, which looks for nothing if it has a URL."""
        return self._given if is_url(self._given) else self.url()

    def problems(self) -> str | None:
        """Say how it is set badly."""
        return "; ".join(remarks(queue_settings_of(self._client, self.url()), self.command)) or None

    def probes(self, url: Callable[[], str]) -> Callable[[], Probes]:
        """Make what tries actions on one of the two."""
        return lambda: queue_probes(self._client, url())


def of_queue(settings: OperatorSettings, role: Role) -> Iterator[Check]:
    """List what is looked at of the queue and its dead-letter queue."""
    queue = _Queue(settings)
    if role is Role.PRODUCER:
        yield Check(f"queue {queue.name}", partial(_finds, queue.url_to_send_to, queue.command), role.policy)
        yield from permissions(_SENDING, queue.probes(queue.url_to_send_to), role.policy)
        return
    dead = dead_letters_of(queue.name)
    if role is Role.OPERATOR:
        patience = Patience(SystemClock(), lambda _: None)
        listed = partial(provisioning.queue_steps, settings, patience)
        yield from steps_of(f"queue {queue.name}", listed, queue.command, role.policy)
    else:
        yield Check(f"queue {queue.name}", partial(_finds, queue.url, queue.command), role.policy)
        yield Check(f"redrive of {queue.name}", partial(_finds, queue.dead_url, queue.command), role.policy)
    yield Check("settings of the queue", queue.problems, role.policy)
    if role.judges:
        yield from permissions(_RECEIVING, queue.probes(queue.url), role.policy)
        yield from permissions((*_SENDING, *_COUNTING), queue.probes(queue.dead_url), role.policy, dead)
    else:
        yield from permissions(_RECEIVING, queue.probes(queue.dead_url), _DEAD_LETTERS, dead)
        yield from permissions(_SENDING, queue.probes(queue.url), _DEAD_LETTERS)


def of_table(settings: OperatorSettings, role: Role) -> Iterator[Check]:
    """List what is looked at of the table, and of who works on it."""
    client = dynamodb_client(connections=2)
    command = provision_command(settings, settings.config, queue=settings.queue or settings.table)
    patience = Patience(SystemClock(), lambda _: None)
    table = provisioning.Table(settings.table, Protections(), patience)
    # A worker needs to know neither its time to live nor how it is protected.
    listed = table.steps if role is Role.OPERATOR else table.steps_of_a_worker
    yield from steps_of(f"table {settings.table}", listed, command, role.policy)
    yield Check("snapshot and log of the bans", partial(_bans, settings), role.policy)
    actions = (*_READING, *_WRITING, *(_IN_BATCHES if role.judges else ()))
    yield from permissions(actions, lambda: table_probes(client, settings.table), role.value)
    yield Check("workers", lambda: _workers(DynamoFleet(client, settings.table)), role.policy)


def _bans(settings: OperatorSettings) -> str | None:
    client = dynamodb_client(connections=1, plain_queries=True)
    return unreadable_in(lambda aside: DynamoBanBook(client, settings.table, SystemClock(), aside=aside))


def _workers(fleet: DynamoFleet) -> str | None:
    alive = alive_of(fleet.signs(), SystemClock().now_ms())
    if not alive:
        return "none gave a sign of life within three minutes: start f2b-worker"
    versions = sorted({each.version for each in alive})
    if len(versions) > 1:
        return f"they are of versions {' and '.join(versions)}: end the rollout"
    if versions != [__version__]:
        return f"they are of version {versions[0]}, and this f2b is {__version__}: install the same version here"
    return "; ".join(f"{each.name}: {each.remark}" for each in alive if each.remark) or None


def _finds(look: Callable[[], object], command: str) -> str | None:
    """Look for something; say what makes it if it is not there."""
    try:
        look()
    except Missing as error:
        return f"{error}; make it with: {command}"
    return None


def steps_of(what: str, listed: Callable[[], Iterable[Step]], command: str, policy: str) -> Iterator[Check]:
    """Look whether what `f2b provision` makes is there.

    Args:
        what: What it is as a whole, for people, in case that nobody can list its parts.
        listed: Lists its parts.
        command: The command that makes them.
        policy: The policy that has what it takes to look.
    """
    try:
        steps = list(listed())
    except F2bError as error:
        yield Check(what, partial(told, str(error)), policy)
        return
    for step in steps:
        yield Check(step.what, partial(_is_there, step, command), policy)


def _is_there(step: Step, command: str) -> str | None:
    if not step.is_there():
        return f"not there; make it with: {command}"
    return step.remark() or None
