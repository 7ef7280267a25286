"""Infractions in the envelopes of AWS's services, as the services write them."""

from __future__ import annotations

import base64
import json
from typing import Any

TOPIC = "arn:aws:sns:eu-west-1:123456789012:attacks"
TOPICS_TIME, TOPICS_TIME_MS = "2026-11-22T17:45:00.123Z", 1_795_369_500_123
EVENTS_TIME, EVENTS_TIME_MS = "2026-11-22T17:44:59Z", 1_795_369_499_000
TOPICS_ID = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"
EVENTS_ID = "6a7e8feb-b491-4cf7-a9f1-bf3703467718"


def in_sns(message: object, **more: object) -> dict[str, Any]:
    """Write what a subscription without raw message delivery puts into a queue."""
    return {
        "Type": "Notification",
        "MessageId": TOPICS_ID,
        "TopicArn": TOPIC,
        "Subject": "My First Message",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": TOPICS_TIME,
        "SignatureVersion": "1",
        "Signature": "EXAMPLEw6JRN...",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f.pem",
        "UnsubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={TOPIC}:c9135db0",
        "MessageAttributes": {"ip": {"Type": "String", "Value": "no infraction"}},
    } | more


def in_eventbridge(detail: object, **more: object) -> dict[str, Any]:
    """Write what a rule without an input transformer sends to a target."""
    return {
        "version": "0",
        "id": EVENTS_ID,
        "detail-type": "Infraction",
        "source": "shop.login",
        "account": "123456789012",
        "time": EVENTS_TIME,
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    } | more


def in_base64(data: object) -> str:
    """Write JSON as base64."""
    return base64.b64encode(json.dumps(data).encode()).decode()


S3_TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-11-22T17:45:00.123Z",
    "Bucket": "amzn-s3-demo-bucket",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}
S3_RECORDS = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "amzn-s3-demo-bucket"}, "object": {"key": "HappyFace.jpg"}},
        }
    ]
}
SNS_CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": TOPICS_ID,
    "Token": "2336412f37f...",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe to the topic. To confirm, visit the SubscribeURL in this message.",
    "SubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336",
    "Timestamp": TOPICS_TIME,
    "SignatureVersion": "1",
}
ALARM = {"AlarmName": "f2b", "NewStateValue": "ALARM", "StateChangeTime": "2026-11-22T17:45:00.123+0000"}

_TAKE_OUT = "take this queue out of the bucket's event notifications"
_PUBLISH = "publish infractions as JSON; with raw message delivery enabled the subscription needs no envelope"
_IN_SNS, _IN_EVENT = "an SNS notification, and what is in it", "an EventBridge event, and what is in it"
_NO_JSON = "is neither a JSON object nor a list"

NO_INFRACTIONS: dict[str, tuple[object, str]] = {
    "test of S3": (S3_TEST, f"a test message of S3, no infraction: {_TAKE_OUT}"),
    "test of S3 by SNS": (in_sns(S3_TEST), f"a test message of S3, no infraction: {_TAKE_OUT}"),
    "event of S3": (S3_RECORDS, f"records of 'aws:s3', no infraction: {_TAKE_OUT}"),
    "event of a Lambda function": (
        {"Records": [{"EventSource": "aws:sns", "Sns": {}}]},
        "records of 'aws:sns', no infraction: send what is in each of the records",
    ),
    "confirmation": (
        SNS_CONFIRMATION,
        "an SNS message of type 'SubscriptionConfirmation', no infraction",
    ),
    "text by SNS": (in_sns("somebody is at the door"), f"{_IN_SNS} {_NO_JSON}: {_PUBLISH}"),
    "address by SNS": (in_sns("203.0.113.7"), f"{_IN_SNS} {_NO_JSON}: {_PUBLISH}"),
    "number by SNS": (in_sns("5"), f"{_IN_SNS} {_NO_JSON}: {_PUBLISH}"),
    "alarm by SNS": (in_sns(ALARM), f"{_IN_SNS} has no ip: {_PUBLISH}"),
    "event of EC2 by SNS": (in_sns(in_eventbridge({"state": "pending"})), f"{_IN_EVENT} has no ip: send inf"),
    "event of EC2": (in_eventbridge({"state": "pending"}), f"{_IN_EVENT} has no ip: send infractions as JSON"),
    "event of nothing": (in_eventbridge(None), f"{_IN_EVENT} {_NO_JSON}: send infractions as JSON"),
    "six times SNS": (
        in_sns(in_sns(in_sns(in_sns(in_sns(in_sns({"ip": "203.0.113.7"})))))),
        "more than 5 envelopes one inside the other: send what is inside",
    ),
}
"""What is an envelope, or in one, holds no infraction, and is named by so much."""
