"""The canned AWS speaks HTTP as AWS does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmarks.canned.aws import CannedAws, Connection
from f2b_worker.adapters.dynamodb.items import number
from f2b_worker.adapters.dynamodb.schema import DynamoSchema

KEY = {"pk": {"S": "ip#203.0.113.7/32"}, "sk": {"S": "s#login"}}
QUEUE_URL = "http://127.0.0.1/000000000001/f2b"


class Wire(asyncio.Transport):
    """A connection's way back that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


class TestHttp:
    def test_requests_are_answered_however_the_network_cuts_them(self) -> None:
        wire, connection = Wire(), Connection(CannedAws())
        connection.connection_made(wire)
        body = json.dumps({"TableName": "f2b", "Key": KEY}).encode()
        head = f"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\nContent-Length: {len(body)}\r\n\r\n"
        sent = (head.encode() + body) * 2
        for place in range(0, len(sent), 7):
            connection.data_received(sent[place : place + 7])
        assert wire.written.count(b"HTTP/1.1 200 OK") == 2
        assert wire.written.endswith(b"\r\n\r\n{}")

    def test_a_worker_finds_the_counter_of_the_log_and_the_format_after_a_reset_unbilled(
        self,
    ) -> None:
        aws = CannedAws()
        wire, connection = Wire(), Connection(aws)
        aws.reset()
        assert aws.tally.write_units == 0
        connection.connection_made(wire)
        for pk, sk in (("log", "seq"), ("meta", "schema")):
            body = json.dumps({"TableName": "f2b", "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}).encode()
            head = f"X-Amz-Target: DynamoDB_20120810.GetItem\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.data_received(b"POST / HTTP/1.1\r\n" + head.encode() + body)
        counter, mark = (json.loads(part.split(b"HTTP/1.1")[0]) for part in wire.written.split(b"\r\n\r\n")[1:])
        assert counter["Item"]["n"] == number(0)
        assert mark["Item"]["version"] == number(DynamoSchema.known.written.version)

    def test_an_error_is_answered_as_aws_writes_it(self) -> None:
        wire, connection = Wire(), Connection(CannedAws())
        connection.connection_made(wire)
        head = b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Length: 2\r\n\r\n{}"
        connection.data_received(head)
        status, _, rest = wire.written.partition(b"\r\n")
        assert status == b"HTTP/1.1 400 Bad Request"
        error = json.loads(rest.partition(b"\r\n\r\n")[2])
        assert error["__type"] == "com.amazonaws.dynamodb.v20120810#UnknownOperationException"

    def test_a_message_does_not_go_to_a_long_poll_that_nobody_waits_for_any_more(self) -> None:
        aws = CannedAws()
        head = b"X-Amz-Target: AmazonSQS.%s\r\nContent-Length: %d\r\n\r\n%s"

        def call(connection: Connection, operation: bytes, **request: Any) -> None:
            body = json.dumps(request).encode()
            connection.data_received(b"POST / HTTP/1.1\r\n" + head % (operation, len(body), body))

        async def scene() -> tuple[bytes, bytes]:
            gone, waiting, sender = Wire(), Wire(), Connection(aws)
            for wire in (gone, waiting):
                connection = Connection(aws)
                connection.connection_made(wire)
                call(connection, b"ReceiveMessage", QueueUrl=QUEUE_URL, WaitTimeSeconds=20)
                if wire is gone:
                    connection.connection_lost(None)
            call(sender, b"SendMessage", QueueUrl=QUEUE_URL, MessageBody="hello")
            return gone.written, waiting.written

        gone, waiting = asyncio.run(scene())
        assert gone == b""
        assert b"hello" in waiting
