"""Opens what a worker or a command needs; what is missing is named together with the command that makes it.

A short command imports this: whatever takes long is imported where it is opened.
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.blocklists import Blocklist, Scope
from f2b_worker.domain.jails import DAY_MS, DEFAULT_BLOCKLIST
from f2b_worker.errors import CredentialsAway, GaveUp, Missing, Permanent, Retryable, StartError
from f2b_worker.intake.trouble import Trouble
from f2b_worker.observe.late import late_log
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.process.schema import check_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from f2b_worker.adapters.dynamodb.ban_log.repair import Repair
    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.names import Names
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Acts, BanBook, Countries, DeadLetters, Notebook, TallyReader

log = late_log()

T = TypeVar("T")

WORTH_A_LINE_S = 5.0
"""A wait that may take longer is said when it begins."""

READS_AT_ONCE = 16
"""So many threads may read the bans at once: an address may be banned as any network around it."""

START_WITHIN_S = 30.0
"""How long a starting worker waits for an AWS that does not answer."""


def chosen_blocklists(jails: Jails, settings: Names) -> tuple[Blocklist, ...]:
    """Choose the blocklists that are enforced: the jails file's, and `block` with the IP sets of the settings.

    Raises:
        StartError: If both name the sets of `block`.
    """
    chosen = {each.name: each for each in jails.blocklists}
    if settings.ip_set:
        block = chosen.get(DEFAULT_BLOCKLIST, Blocklist(DEFAULT_BLOCKLIST, ()))
        if block.ip_sets:
            raise StartError(
                f"[blocklists.{DEFAULT_BLOCKLIST}] ip_set ({', '.join(block.ip_sets)}) and --ip-set "
                f"({', '.join(settings.ip_set)}) both name the IP sets of {DEFAULT_BLOCKLIST}: leave one out"
            )
        chosen[DEFAULT_BLOCKLIST] = replace(block, ip_sets=tuple(settings.ip_set), scope=Scope(settings.scope))
    return tuple(each for each in chosen.values() if each.ip_sets)


def patiently(settings: Names, opening: Callable[[], T], config: Path | None = None) -> T:
    """Open a part; wait a little for AWS, and name what is missing together with the command that makes it.

    Raises:
        GaveUp: If AWS, or who gives out credentials, was away for so long.
        StartError: If it cannot be opened.
    """
    clock, never, trouble = SystemClock(), threading.Event(), Trouble()
    began_s, said = clock.monotonic_s(), False
    while True:
        left_s = began_s + START_WITHIN_S - clock.monotonic_s()
        try:
            part = opening()
        except (Retryable, CredentialsAway) as error:
            if left_s < 0:
                raise GaveUp(f"{error}; gave up after {START_WITHIN_S:.0f} s") from error
            trouble.note(error)
            clock.wait(never, 1.0)
        except Missing as error:
            if clock.monotonic_s() - began_s >= error.shown_within_s:
                raise StartError(f"{error}; {_remedy(settings, config)}") from error
            if not said and error.shown_within_s > WORTH_A_LINE_S:
                said = True
                log.warning("waiting_for_what_is_new", reason=str(error), within_s=error.shown_within_s)
            clock.wait(never, 1.0)
        except Permanent as error:
            raise StartError(str(error)) from error
        else:
            trouble.end()
            return part


def _remedy(settings: Names, config: Path | None) -> str:
    if settings.queue is not None:
        return f"make it with: {provision_command(settings, config)}"
    return (
        "check that --table, Region and account are those of the workers. To make a first table, run: "
        + provision_command(settings, config, queue=settings.table)
    )


def provision_command(settings: Names, config: Path | None, *, queue: str | None = None) -> str:
    """Write the command that makes what a fleet with *settings* needs; *queue* stands for theirs."""
    sets = "".join(f" --ip-set {name}" for name in settings.ip_set)
    scope = "" if settings.scope == "REGIONAL" else f" --scope {settings.scope}"
    file = f" --config {config}" if config else ""
    if settings.standalone or settings.state_file:
        return f"f2b provision --standalone{sets}{scope}{file}"
    queue = (queue or settings.required_queue).rstrip("/").rsplit("/", maxsplit=1)[-1]
    return f"f2b provision --queue {queue} --table {settings.table}{sets}{scope}{file}"


def open_ban_book(settings: Names, *, aside: Callable[[Unreadable], None] = set_aside) -> BanBook:
    """Open the ledger to read its bans, while a worker may be writing to it.

    Args:
        settings: Say where it is.
        aside: Told of each item that cannot be read.
    """
    if settings.state_file:
        from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook  # noqa: PLC0415
        from f2b_worker.adapters.sqlite.file import close_with, open_existing  # noqa: PLC0415 - see above

        reading = open_existing(settings.state_file)
        book = SqliteBanBook(reading, aside=aside)
        close_with(book, reading)
        return book
    from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook  # noqa: PLC0415 - see above

    client = open_table(settings)
    return DynamoBanBook(client, settings.table, SystemClock(), aside=aside)


def open_notebooks(
    settings: Names, *, aside: Callable[[Unreadable], None] = set_aside, writing: bool = True
) -> Mapping[str, Notebook]:
    """Open the notes of every Region in which this fleet may enforce, by the Region's name.

    Args:
        settings: Say where they are.
        aside: Told of each note that cannot be read.
        writing: Whether they are opened to be written, too.
    """
    if settings.state_file:
        from f2b_worker.adapters.sqlite.file import open_existing, open_to_store  # noqa: PLC0415 - see above
        from f2b_worker.adapters.sqlite.notebook import notebooks_in  # noqa: PLC0415

        connection = open_to_store(settings.state_file) if writing else open_existing(settings.state_file)
        return notebooks_in(connection, aside=aside)
    from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook  # noqa: PLC0415 - see above
    from f2b_worker.adapters.waf.ip_set import CLOUDFRONT_REGION  # noqa: PLC0415

    client = open_table(settings)
    regions = dict.fromkeys((client.meta.region_name, CLOUDFRONT_REGION))
    return {region: DynamoNotebook(client, settings.table, region=region, aside=aside) for region in regions}


def open_acts(settings: Names, *, aside: Callable[[Unreadable], None] = set_aside) -> Acts:
    """Open what people do to the bans: what they did, and what they do now.

    Args:
        settings: Say where the ledger is.
        aside: Told of each item that cannot be read.
    """
    if settings.state_file:
        from f2b_worker.adapters.sqlite.acts import open_acts as of_file  # noqa: PLC0415 - see above

        return of_file(settings.state_file, kept_ms=settings.audit_days * DAY_MS, aside=aside)
    from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs  # noqa: PLC0415 - see above

    client = open_table(settings)
    kept_ms = settings.audit_days * DAY_MS
    return DynamoActs(client, settings.table, SystemClock(), kept_ms=kept_ms, aside=aside)


def open_tally(settings: Names) -> TallyReader:
    """Open the numbers over time to read them."""
    if settings.state_file:
        from f2b_worker.adapters.sqlite.file import close_with, open_existing  # noqa: PLC0415 - see above
        from f2b_worker.adapters.sqlite.tally import SqliteTallyReader  # noqa: PLC0415

        reading = open_existing(settings.state_file)
        tally = SqliteTallyReader(reading)
        close_with(tally, reading)
        return tally
    from f2b_worker.adapters.dynamodb.tally import DynamoTally  # noqa: PLC0415 - see above

    return DynamoTally(open_table(settings), settings.table)


def open_dead_letters(settings: Names) -> DeadLetters:
    """Open the dead letters of the queue, or of the state file."""
    if settings.state_file:
        from f2b_worker.adapters.sqlite.dead_letters import SqliteDeadLetters  # noqa: PLC0415 - see above
        from f2b_worker.adapters.sqlite.file import close_with, open_existing, open_to_store  # noqa: PLC0415
        from f2b_worker.adapters.sqlite.writer import Writer  # noqa: PLC0415

        reading, writing = open_existing(settings.state_file), open_to_store(settings.state_file)
        writer = Writer(writing)
        letters = SqliteDeadLetters(reading, writer, SystemClock())
        close_with(letters, reading)
        close_with(writer, writing)
        return letters
    from f2b_worker.adapters.sqs.dead_letters import SqsDeadLetters  # noqa: PLC0415 - see above

    return SqsDeadLetters(*open_queue(settings))


def open_queue(settings: Names) -> tuple[SQSClient, str, str]:
    """Make a client for the queue; answer the URLs of the queue and of its dead-letter queue, too.

    As with the table, all that is opened has one client.
    """
    if _QUEUES and _QUEUES[0][0] is settings:
        return _QUEUES[0][1]
    from f2b_worker.adapters.aws import sqs_client  # noqa: PLC0415 - see above
    from f2b_worker.adapters.sqs.attributes import dead_letter_url_of, queue_url_of  # noqa: PLC0415

    client = sqs_client(settings.required_queue, connections=2)
    url = patiently(settings, lambda: queue_url_of(client, settings.required_queue))
    found = client, url, patiently(settings, lambda: dead_letter_url_of(client, url))
    _QUEUES[:] = [(settings, found)]
    return found


def who_acts(settings: Names) -> str:
    """Name who runs this process: by the ARN of the credentials, in standalone mode by user and host.

    Raises:
        F2bError: If AWS does not say.
    """
    if settings.state_file:
        return local_name()
    from f2b_worker.adapters.aws import caller_of_credentials  # noqa: PLC0415 - see above

    return caller_of_credentials()


def local_name() -> str:
    """Name who runs this process as this machine does: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user that the machine does not know, as in many containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def open_countries() -> Countries:
    """Open what the registries say of addresses.

    Raises:
        StartError: If the extra that has it is not installed.
    """
    from f2b_worker.adapters.countries import RegisteredCountries  # noqa: PLC0415 - see above

    return RegisteredCountries()


def open_repair(settings: Names, *, aside: Callable[[Unreadable], None] = set_aside) -> tuple[Repair, int]:
    """Open what makes the ban log of a table anew; tell about how many items the table has.

    Args:
        settings: Say which table.
        aside: Told of each state that cannot be read.
    """
    from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems  # noqa: PLC0415 - see above
    from f2b_worker.adapters.dynamodb.ban_log.repair import Repair  # noqa: PLC0415
    from f2b_worker.adapters.dynamodb.states import SEGMENTS, States  # noqa: PLC0415

    client = _table_client(settings, connections=SEGMENTS, plain_queries=True)
    clock = SystemClock()
    states = States(client, settings.table, clock, aside=aside)
    return Repair(BanLogItems(client, settings.table, clock), states, clock), states.items()


def open_table(settings: Names) -> DynamoDBClient:
    """Make a client for the ledger's table, which is there and of a format that this f2b knows.

    All that a command opens has one client: each would read the certificate authorities, and ask for the table.
    """
    if _MADE and _MADE[0][0] is settings:
        return _MADE[0][1]
    client = _table_client(settings, connections=READS_AT_ONCE)
    _MADE[:] = [(settings, client)]
    return client


def _table_client(settings: Names, *, connections: int, plain_queries: bool = False) -> DynamoDBClient:
    from f2b_worker.adapters.aws import dynamodb_client  # noqa: PLC0415 - see above
    from f2b_worker.adapters.dynamodb.schema import DynamoSchema  # noqa: PLC0415
    from f2b_worker.adapters.dynamodb.table import check_table  # noqa: PLC0415

    client = dynamodb_client(connections=connections, plain_queries=plain_queries)
    patiently(settings, lambda: check_table(client, settings.table))
    patiently(settings, lambda: check_schema(DynamoSchema(client, settings.table)))
    return client


_QUEUES: list[tuple[Names, tuple[SQSClient, str, str]]] = []
"""The same of the queue, with its URLs."""

_MADE: list[tuple[Names, DynamoDBClient]] = []
"""The client that was made last, and for which settings: of each command there is one such object."""
