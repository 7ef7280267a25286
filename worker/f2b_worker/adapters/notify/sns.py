"""Notices to a topic of SNS, which passes them on by e-mail, to chats, pagers, queues and functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors
from f2b_worker.adapters.aws import notices_client
from f2b_worker.adapters.notify.fitting import as_json, ascii_line, cut, fitted

if TYPE_CHECKING:
    from typing import Any

    from f2b_worker.ports.notices import Notice

MESSAGE_MAX_BYTES = 256 * 1024
"""Of all variants, subject and attributes together: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html."""

_PROGRAMS = ("sqs", "lambda", "firehose", "email-json")
_CHAT_BYTES = 3_000
_BESIDE_BYTES = 16 * 1024
"""For what chats are given, subject and attributes."""

_PART_BYTES = (MESSAGE_MAX_BYTES - _BESIDE_BYTES) // (2 * (1 + len(_PROGRAMS)))
"""The text, and the detail for each kind of program: escaped once more each may be twice as long."""


class SnsTarget:
    """One topic.

    Args:
        topic: Its ARN, which names the Region, too.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._client: Any = None

    def send(self, notice: Notice) -> None:
        """Publish one: text for people, JSON for programs, and what Amazon Q shows in a chat.

        Raises:
            F2bError: If SNS did not take it.
        """
        if self._client is None:
            self._client = notices_client("sns", self._topic.split(":")[3])
        with aws_errors(f"publishing to {self._topic}"):
            self._client.publish(
                TopicArn=self._topic,
                Subject=ascii_line(notice.subject),
                Message=message_of(notice),
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in (
                        ("kind", notice.kind),
                        ("severity", notice.severity),
                        ("fleet", str(notice.detail["fleet"])),
                    )
                },
            )

    def close(self) -> None:
        """Let go of the client."""
        if self._client is not None:
            self._client.close()


def message_of(notice: Notice) -> str:
    """Write the message: SNS chooses by the protocol of each subscription."""
    detail = fitted(notice.detail, _PART_BYTES)
    text = cut(notice.text, _PART_BYTES)
    return as_json({"default": text, **dict.fromkeys(_PROGRAMS, detail), "https": _for_chats(notice)})


def _for_chats(notice: Notice) -> str:
    """Write what Amazon Q Developer in chat applications (AWS Chatbot) shows; it drops every other message.

    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
    """
    named = ("kind", "severity", "fleet", "count")
    return as_json(
        {
            "version": "1.0",
            "source": "custom",
            "id": notice.id,
            "content": {
                "textType": "client-markdown",
                "title": notice.subject[:200],
                "description": cut(notice.text, _CHAT_BYTES),
            },
            "metadata": {
                "eventType": f"f2b {notice.kind}",
                "additionalContext": {name: str(notice.detail[name]) for name in named},
            },
        }
    )
