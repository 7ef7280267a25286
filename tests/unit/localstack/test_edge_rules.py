"""The edge's rules by themselves, with time and chance in hand."""

import asyncio
import json
from typing import Any

import pytest

from localstack.delivery import Delivery, Mode
from localstack.edge_http import Request, Response, json_response
from localstack.faults import ApiError, Fault, FaultKind, Faults, ResetError
from localstack.ip_ranges import normal_range
from localstack.rate_limits import WafLimits
from localstack.sqs_rules import LOOK_AGAIN_S, Sqs, Waiters

CALLER = {"x-amz-target": "AmazonSQS.ReceiveMessage"}
USED = "00000000-0000-4000-8000-000000000000"


def call(service: str, action: str, region: str = "us-east-1", **data: Any) -> Request:
    body = json.dumps(data).encode()
    return Request("POST", "/", CALLER, body, service=service, action=action, region=region)


class TestRates:
    def taken_at(self, limits: WafLimits, now: list[float], action: str, times_s: list[float]) -> list[bool]:
        """Which of the calls made at these times are let through."""
        taken = []
        for now[0] in times_s:
            try:
                limits.check(call("wafv2", action))
                taken.append(True)
            except ApiError:
                taken.append(False)
        return taken

    @pytest.mark.parametrize("action", ["CreateIPSet", "UpdateIPSet", "PutLoggingConfiguration"])
    def test_a_write_is_taken_once_a_second_however_long_nobody_wrote(self, action: str) -> None:
        now = [0.0]
        limits = WafLimits(lambda: now[0])
        times_s = [60.0, 60.5, 60.99, 61.0, 61.5, 62.0]
        assert self.taken_at(limits, now, action, times_s) == [True, False, False, True, False, True]

    def test_a_read_is_taken_five_times_a_second(self) -> None:
        now = [0.0]
        limits = WafLimits(lambda: now[0])
        times_s = [9.0] * 6 + [9.25, 9.25]
        taken = [True] * 5 + [False, True, False]
        assert self.taken_at(limits, now, "GetIPSet", times_s) == taken

    def test_neither_deletes_nor_other_services_are_limited(self) -> None:
        limits = WafLimits(lambda: 0.0)
        for _ in range(20):
            limits.check(call("wafv2", "DeleteIPSet"))
            limits.check(call("dynamodb", "UpdateItem"))

    def test_no_rate_is_no_limit(self) -> None:
        limits = WafLimits(lambda: 0.0)
        limits.set_rates(None, None)
        for _ in range(20):
            limits.check(call("wafv2", "UpdateIPSet"))
            limits.check(call("wafv2", "GetIPSet"))


class TestFaultRules:
    def struck(self, fault: Fault, count: int = 200) -> list[bool]:
        return [fault.strikes("sqs:SendMessage") for _ in range(count)]

    def test_the_same_seed_fails_the_same_calls(self) -> None:
        first, again, other = (self.struck(Fault("*", "error", 0.3, seed=seed)) for seed in (1, 1, 2))
        assert first == again != other
        assert 30 < sum(first) < 90

    def test_a_pattern_names_a_service_and_an_action(self) -> None:
        fault = Fault("wafv2:Get*", "error")
        assert fault.strikes("wafv2:GetIPSet")
        assert not fault.strikes("wafv2:UpdateIPSet")
        assert not fault.strikes("sqs:GetQueueUrl")

    def test_a_call_that_a_spent_rule_spares_can_meet_the_next_rule(self) -> None:
        faults = Faults()
        faults.add(Fault("*", "throttle", times=1))
        faults.add(Fault("*", "reset_before", times=1))
        refusals = [faults.plan(call("sqs", "SendMessage")).refusal for _ in range(3)]
        assert isinstance(refusals[0], ApiError)
        assert isinstance(refusals[1], ResetError)
        assert refusals[2] is None

    def test_a_late_call_takes_effect_within_the_delay_that_was_asked_for_each_after_its_own(self) -> None:
        faults = Faults()
        faults.add(Fault("dynamodb:Put*", "late", delay_s=2.0))
        plans = [faults.plan(call("dynamodb", "PutItem")).late_s for _ in range(50)]
        assert all(late_s is not None and 0.0 <= late_s <= 2.0 for late_s in plans)
        assert len(set(plans)) > 40
        assert faults.plan(call("dynamodb", "GetItem")).late_s is None

    def test_a_late_call_meets_no_other_fault_but_a_delay(self) -> None:
        faults = Faults()
        faults.add(Fault("*", "late", delay_s=2.0))
        faults.add(Fault("*", "reset_after"))
        faults.add(Fault("*", "delay", delay_s=0.5))
        plan = faults.plan(call("dynamodb", "PutItem"))
        assert (plan.reset_after, plan.delay_s) == (False, 0.5)

    @pytest.mark.parametrize("kind", ["throttle", "reset_after"])
    def test_a_delay_adds_to_any_other_fault(self, kind: FaultKind) -> None:
        faults = Faults()
        faults.add(Fault("*", kind))
        faults.add(Fault("*", "delay", delay_s=0.5))
        faults.add(Fault("*", "delay", delay_s=0.25))
        assert faults.plan(call("sqs", "SendMessage")).delay_s == 0.75


class TestAddresses:
    @pytest.mark.parametrize(
        ("version", "entry", "answered"),
        [
            ("IPV4", "192.0.2.1/32", "192.0.2.1/32"),
            ("IPV4", "128.0.0.0/1", "128.0.0.0/1"),
            ("IPV6", "2001:DB8::/32", "2001:0db8:0000:0000:0000:0000:0000:0000/32"),
            ("IPV6", "8000::/1", "8000:0000:0000:0000:0000:0000:0000:0000/1"),
        ],
    )
    def test_a_good_address_is_answered_in_wafs_form(self, version: str, entry: str, answered: str) -> None:
        assert normal_range(entry, version) == answered

    @pytest.mark.parametrize("entry", ["1.2.3/24", "1.2.3.4/", "1.2.3.4/+8", "01.2.3.4/32", "1.2.3.4/³²"])
    def test_what_only_looks_like_an_address_is_refused(self, entry: str) -> None:
        with pytest.raises(ApiError, match="WAFInvalidParameterException"):
            normal_range(entry, "IPV4")


class Emulator:
    """A queue that hands its messages out in order and refuses used receipt handles."""

    def __init__(self, count: int = 0) -> None:
        self.messages = [self.message(number) for number in range(count)]
        self.visibility_s: list[int] = []

    def message(self, number: int) -> dict[str, Any]:
        return {"MessageId": str(number), "Body": str(number), "ReceiptHandle": f"handle {number}"}

    async def answer(self, request: Request) -> Response:
        data = request.json()
        if request.action == "ReceiveMessage":
            count = data["MaxNumberOfMessages"]
            taken, self.messages = self.messages[:count], self.messages[count:]
            return json_response({"Messages": taken} if taken else {})
        if request.action == "ChangeMessageVisibilityBatch":
            self.visibility_s += [entry["VisibilityTimeout"] for entry in data["Entries"]]
        if request.action == "GetQueueAttributes":
            return json_response({"Attributes": {"VisibilityTimeout": "45"}})
        return json_response({})


class TestDeliveries:
    def bodies(self, emulator: Emulator, mode: Mode, **how: Any) -> list[list[str]]:
        """Receive until nothing comes; the bodies of each answer."""
        delivery = Delivery()
        delivery.set_mode(mode)
        desk = delivery.desk("queue")
        assert desk is not None
        receive = call("sqs", "ReceiveMessage", QueueUrl="queue", MaxNumberOfMessages=10, **how)

        async def drain() -> list[list[str]]:
            answers: list[list[str]] = []
            while not answers or answers[-1]:
                answer = (await desk.receive(receive, emulator.answer)).json()
                answers.append([message["Body"] for message in answer.get("Messages", [])])
            return answers

        return asyncio.run(drain())

    @pytest.mark.parametrize("shuffle", [False, True])
    @pytest.mark.parametrize("seed", range(5))
    def test_each_message_comes_twice_and_never_twice_in_one_answer(self, seed: int, shuffle: bool) -> None:
        answers = self.bodies(Emulator(53), Mode(duplicate=True, shuffle=shuffle, seed=seed))
        assert all(len(set(answer)) == len(answer) <= 10 for answer in answers)
        delivered = [body for answer in answers for body in answer]
        assert sorted(delivered) == sorted(2 * [str(number) for number in range(53)])

    def test_the_same_seed_delivers_the_same(self) -> None:
        first, again, other = (
            self.bodies(Emulator(53), Mode(duplicate=True, shuffle=True, seed=seed)) for seed in (1, 1, 2)
        )
        assert first == again != other

    def test_held_messages_get_the_queues_own_visibility_when_handed_out(self) -> None:
        emulator = Emulator(12)
        self.bodies(emulator, Mode(shuffle=True))
        assert emulator.visibility_s == [45] * 12

    def test_held_messages_get_the_visibility_that_the_receiver_asks_for(self) -> None:
        emulator = Emulator(12)
        self.bodies(emulator, Mode(shuffle=True), VisibilityTimeout=0)
        assert emulator.visibility_s == [0] * 12

    def test_a_queue_is_left_alone_when_nothing_is_switched_on(self) -> None:
        assert Delivery().desk("queue") is None

    def test_duplicates_wait_while_the_queue_refuses(self) -> None:
        delivery = Delivery()
        delivery.set_mode(Mode(duplicate=True))
        desk = delivery.desk("queue")
        assert desk is not None
        desk.copies = [{"MessageId": str(number)} for number in range(5)]

        async def refuse(_request: Request) -> Response:
            return json_response({"__type": "QueueDoesNotExist"}, 400)

        receive = call("sqs", "ReceiveMessage", QueueUrl="queue", MaxNumberOfMessages=10)
        assert asyncio.run(desk.receive(receive, refuse)).status == 400
        assert delivery.describe()["duplicates_pending"] == 5


class TestForgivenDeletes:
    def answered(self, response: Response, request: Request) -> Response:
        async def forward(_request: Request) -> Response:
            return response

        return asyncio.run(Sqs(forward).answer(request, lambda: False))

    def test_another_refusal_of_a_delete_stays_one(self) -> None:
        gone = json_response({"__type": "QueueDoesNotExist", "message": ""}, 400)
        assert self.answered(gone, call("sqs", "DeleteMessage", ReceiptHandle=USED)) is gone

    def test_only_the_used_handles_of_a_batch_are_forgiven(self) -> None:
        failures = [
            {"Id": "used", "Code": "ReceiptHandleIsInvalid", "SenderFault": True},
            {"Id": "rubbish", "Code": "ReceiptHandleIsInvalid", "SenderFault": True},
            {"Id": "broken", "Code": "InternalError", "SenderFault": False},
        ]
        handles = {"used": USED, "rubbish": "rubbish", "broken": USED}
        entries = [{"Id": name, "ReceiptHandle": handle} for name, handle in handles.items()]
        partly = json_response({"Successful": [{"Id": "good"}], "Failed": failures})
        answer = self.answered(partly, call("sqs", "DeleteMessageBatch", Entries=entries)).json()
        assert answer["Successful"] == [{"Id": "good"}, {"Id": "used"}]
        assert answer["Failed"] == failures[1:]


class TestWaiting:
    def test_who_has_waited_longest_is_woken_first_and_alone(self) -> None:
        woken: list[str] = []

        async def wait(waiters: Waiters, name: str) -> None:
            await waiters.wait("queue", 60)
            woken.append(name)

        async def scene() -> None:
            waiters = Waiters()
            tasks = [asyncio.create_task(wait(waiters, name)) for name in ("first", "second")]
            await asyncio.sleep(0)
            waiters.wake("other queue")
            waiters.wake("queue")
            await tasks[0]
            assert woken == ["first"]
            waiters.wake("queue")
            await tasks[1]

        asyncio.run(scene())
        assert woken == ["first", "second"]

    def test_a_message_sent_during_a_look_is_looked_for_at_once(self) -> None:
        emulator = Emulator()
        looks: list[float] = []

        async def forward(request: Request) -> Response:
            """A message arrives just after the first look has found nothing."""
            if request.action == "ReceiveMessage" and not looks:
                looks.append(0)
                await sqs.answer(call("sqs", "SendMessage", QueueUrl="queue"), lambda: False)
                emulator.messages = [emulator.message(1)]
                return json_response({})
            return await emulator.answer(request)

        sqs = Sqs(forward)
        receive = call("sqs", "ReceiveMessage", QueueUrl="queue", MaxNumberOfMessages=1, WaitTimeSeconds=20)

        async def timed() -> Response:
            return await asyncio.wait_for(sqs.answer(receive, lambda: False), timeout=LOOK_AGAIN_S / 2)

        assert asyncio.run(timed()).json().get("Messages", [])
