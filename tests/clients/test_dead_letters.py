"""Dead-letter queues: when a message moves, what it keeps, who may send there, and the way back."""

import json
import time

import pytest
from support.aws import arn_of, attributes, eventually, receive_none, receive_one, refused

SYSTEM = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}


@pytest.fixture
def pair(sqs, make_queue):
    """Makes a source and its dead-letter queue."""

    def make(receives=1, fifo=False, **source):
        target = make_queue(fifo=fifo)
        policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, target), "maxReceiveCount": receives})
        return make_queue(fifo=fifo, RedrivePolicy=policy, **source), target

    return make


def fail(sqs, url, times):
    """Receives and gives back, `times` times."""
    for _ in range(times):
        got = receive_one(sqs, url)
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    return got


def test_a_message_moves_after_its_last_receive(sqs, pair):
    source, target = pair(receives=2)
    sent = sqs.send_message(
        QueueUrl=source,
        MessageBody="x",
        MessageAttributes={"n": {"DataType": "String", "StringValue": "v"}},
    )
    before = fail(sqs, source, 2)
    receive_none(sqs, source)
    moved = receive_one(sqs, target, **SYSTEM)
    assert moved["Body"] == "x" and moved["MessageId"] == before["MessageId"] == sent["MessageId"]
    assert moved["MessageAttributes"]["n"]["StringValue"] == "v"
    assert moved["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(sqs, source)
    receive_none(sqs, source)


def test_a_message_is_not_moved_before(sqs, pair):
    source, target = pair(receives=3)
    sqs.send_message(QueueUrl=source, MessageBody="x")
    fail(sqs, source, 2)
    receive_none(sqs, target)
    assert receive_one(sqs, source)["Body"] == "x"


def test_a_claim_that_times_out_counts(sqs, pair):
    source, target = pair(receives=1, VisibilityTimeout="1")
    sqs.send_message(QueueUrl=source, MessageBody="x")
    receive_one(sqs, source)
    time.sleep(1.2)
    receive_none(sqs, source)  # this receive finds it used up
    assert receive_one(sqs, target)["Body"] == "x"


def test_other_messages_stay(sqs, pair):
    source, target = pair(receives=1)
    sqs.send_message(QueueUrl=source, MessageBody="bad")
    fail(sqs, source, 1)
    sqs.send_message(QueueUrl=source, MessageBody="good")
    assert receive_one(sqs, source)["Body"] == "good"
    assert receive_one(sqs, target)["Body"] == "bad"


def test_a_standard_message_keeps_its_send_time(sqs, pair):
    source, target = pair(receives=1)
    sqs.send_message(QueueUrl=source, MessageBody="x")
    first = receive_one(sqs, source, VisibilityTimeout=0, **SYSTEM)
    time.sleep(1)
    receive_none(sqs, source)
    moved = receive_one(sqs, target, **SYSTEM)
    assert moved["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]


def test_fifo_moves_in_order_and_frees_the_group(sqs, pair):
    source, target = pair(receives=1, fifo=True)
    for i in range(3):
        sqs.send_message(QueueUrl=source, MessageBody=str(i), MessageGroupId="g", MessageDeduplicationId=str(i))
    for i in range(2):
        got = receive_one(sqs, source)
        assert got["Body"] == str(i)
        sqs.change_message_visibility(QueueUrl=source, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    assert receive_one(sqs, source)["Body"] == "2"
    seen = []
    deadline = time.monotonic() + 10
    while len(seen) < 2 and time.monotonic() < deadline:
        for m in sqs.receive_message(QueueUrl=target, MaxNumberOfMessages=10, WaitTimeSeconds=1, **SYSTEM).get(
            "Messages", []
        ):
            seen.append(m["Body"])
            assert m["Attributes"]["MessageGroupId"] == "g"
            assert m["Attributes"]["DeadLetterQueueSourceArn"] == arn_of(sqs, source)
            sqs.delete_message(QueueUrl=target, ReceiptHandle=m["ReceiptHandle"])
    assert seen == ["0", "1"]


def test_a_fifo_queue_wants_a_fifo_dead_letter_queue(sqs, make_queue):
    standard, fifo = make_queue(), make_queue(fifo=True)
    for target, source in ((standard, fifo), (fifo, standard)):
        policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, target), "maxReceiveCount": 3})
        with refused("InvalidParameterValue", "RedrivePolicy is invalid"):
            sqs.set_queue_attributes(QueueUrl=source, Attributes={"RedrivePolicy": policy})


def test_the_sources_of_a_dead_letter_queue_are_listed(sqs, make_queue):
    target = make_queue()
    policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, target), "maxReceiveCount": 3})
    sources = sorted(make_queue(RedrivePolicy=policy) for _ in range(5))
    assert sorted(sqs.list_dead_letter_source_queues(QueueUrl=target)["queueUrls"]) == sources
    pages = list(
        sqs.get_paginator("list_dead_letter_source_queues").paginate(QueueUrl=target, PaginationConfig={"PageSize": 2})
    )
    assert [len(p["queueUrls"]) for p in pages] == [2, 2, 1]
    assert sorted(u for p in pages for u in p["queueUrls"]) == sources
    sqs.set_queue_attributes(QueueUrl=sources[0], Attributes={"RedrivePolicy": ""})
    assert sorted(sqs.list_dead_letter_source_queues(QueueUrl=target)["queueUrls"]) == sources[1:]
    assert sqs.list_dead_letter_source_queues(QueueUrl=sources[0])["queueUrls"] == []


def test_a_queue_may_refuse_to_be_a_dead_letter_queue(sqs, make_queue):
    target, source = make_queue(), make_queue()
    policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, target), "maxReceiveCount": 3})

    def allow(document):
        sqs.set_queue_attributes(QueueUrl=target, Attributes={"RedriveAllowPolicy": json.dumps(document)})

    def use():
        sqs.set_queue_attributes(QueueUrl=source, Attributes={"RedrivePolicy": policy})

    allow({"redrivePermission": "denyAll"})
    with refused("InvalidParameterValue"):
        use()
    allow({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:us-east-1:000000000000:other"]})
    with refused("InvalidParameterValue"):
        use()
    allow({"redrivePermission": "byQueue", "sourceQueueArns": [arn_of(sqs, source)]})
    use()
    allow({"redrivePermission": "allowAll"})
    use()


@pytest.fixture
def dead(sqs, pair):
    """A source, its dead-letter queue, and how to fill that with `count` messages."""

    def make(count, fifo=False):
        source, target = pair(receives=1, fifo=fifo)
        for i in range(count):
            extra = {"MessageGroupId": f"g{i % 3}", "MessageDeduplicationId": str(i)} if fifo else {}
            sqs.send_message(QueueUrl=source, MessageBody=f"m{i}", **extra)
        deadline = time.monotonic() + 30

        def count_of(url):
            return int(attributes(sqs, url, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])

        while count_of(target) < count:
            assert time.monotonic() < deadline, count_of(target)
            sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return source, target

    return make


def drained(sqs, url, count):
    """The bodies of `count` messages, which are deleted."""
    seen = []
    deadline = time.monotonic() + 20
    while len(seen) < count and time.monotonic() < deadline:
        for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            seen.append(m["Body"])
    return sorted(seen)


def task_of(sqs, arn):
    results = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
    return results[0] if results else {}


def test_redrive_without_a_destination_goes_back_to_the_source(sqs, dead):
    source, target = dead(5)
    arn = arn_of(sqs, target)
    started = sqs.start_message_move_task(SourceArn=arn)
    assert started["TaskHandle"]
    assert drained(sqs, source, 5) == [f"m{i}" for i in range(5)]
    done = eventually(lambda: (t := task_of(sqs, arn)) and t["Status"] == "COMPLETED" and t)
    assert done["ApproximateNumberOfMessagesMoved"] == 5
    assert done["ApproximateNumberOfMessagesToMove"] == 5
    assert done["SourceArn"] == arn
    assert "DestinationArn" not in done and "TaskHandle" not in done
    assert abs(done["StartedTimestamp"] / 1000 - time.time()) < 120
    receive_none(sqs, target)


def test_redrive_without_a_destination_finds_each_messages_own_source(sqs, make_queue):
    target = make_queue()
    arn = arn_of(sqs, target)
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    sources = [make_queue(RedrivePolicy=policy) for _ in range(2)]
    for n, source in enumerate(sources):
        for i in range(3):
            sqs.send_message(QueueUrl=source, MessageBody=f"{n}-{i}")

    def all_dead():
        for source in sources:
            sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return attributes(sqs, target, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"] == "6"

    eventually(all_dead, timeout_s=20)
    sqs.start_message_move_task(SourceArn=arn)
    for n, source in enumerate(sources):
        assert drained(sqs, source, 3) == [f"{n}-{i}" for i in range(3)]


def test_redrive_to_a_queue_of_choice(sqs, dead, make_queue):
    source, target = dead(5)
    other = make_queue()
    arn = arn_of(sqs, target)
    sqs.start_message_move_task(SourceArn=arn, DestinationArn=arn_of(sqs, other))
    assert drained(sqs, other, 5) == [f"m{i}" for i in range(5)]
    receive_none(sqs, source)
    done = eventually(lambda: (t := task_of(sqs, arn)) and t["Status"] == "COMPLETED" and t)
    assert done["DestinationArn"] == arn_of(sqs, other)


def test_redrive_keeps_to_its_rate_and_can_be_cancelled(sqs, dead, make_queue):
    _, target = dead(10)
    other = make_queue()
    arn = arn_of(sqs, target)
    handle = sqs.start_message_move_task(
        SourceArn=arn, DestinationArn=arn_of(sqs, other), MaxNumberOfMessagesPerSecond=1
    )["TaskHandle"]
    running = task_of(sqs, arn)
    assert running["Status"] == "RUNNING" and running["TaskHandle"] == handle
    assert running["MaxNumberOfMessagesPerSecond"] == 1
    with refused("InvalidParameterValue", "There is already a task running. Only one active task is allowed"):
        sqs.start_message_move_task(SourceArn=arn)
    time.sleep(2.5)
    cancelled = sqs.cancel_message_move_task(TaskHandle=handle)
    assert 1 <= cancelled["ApproximateNumberOfMessagesMoved"] <= 5
    after = eventually(lambda: (t := task_of(sqs, arn)) and t["Status"] in ("CANCELLED", "CANCELLING") and t)
    assert "TaskHandle" not in after or after["Status"] == "CANCELLING"
    eventually(lambda: task_of(sqs, arn)["Status"] == "CANCELLED")
    moved = task_of(sqs, arn)["ApproximateNumberOfMessagesMoved"]
    assert 1 <= moved <= 5
    time.sleep(1.5)
    count = attributes(sqs, other, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"]
    assert int(count) == moved
    left = attributes(sqs, target, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"]
    assert int(left) == 10 - moved


def test_redrive_of_a_fifo_queue_keeps_groups_in_order(sqs, dead):
    source, target = dead(9, fifo=True)
    sqs.start_message_move_task(SourceArn=arn_of(sqs, target))
    groups = {}
    deadline = time.monotonic() + 20
    while sum(map(len, groups.values())) < 9 and time.monotonic() < deadline:
        got = sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10, WaitTimeSeconds=1, **SYSTEM)
        for m in got.get("Messages", []):
            groups.setdefault(m["Attributes"]["MessageGroupId"], []).append(int(m["Body"][1:]))
            sqs.delete_message(QueueUrl=source, ReceiptHandle=m["ReceiptHandle"])
    assert groups == {f"g{g}": [g, g + 3, g + 6] for g in range(3)}


def test_only_a_dead_letter_queue_can_be_redriven(sqs, queue):
    with refused("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, queue))


def test_redrive_wants_queues_that_exist(sqs, pair):
    _, target = pair()
    with refused(
        "ResourceNotFoundException",
        "The resource that you specified for the DestinationArn parameter doesn't exist.",
        status=404,
    ):
        sqs.start_message_move_task(
            SourceArn=arn_of(sqs, target), DestinationArn="arn:aws:sqs:us-east-1:000000000000:not-there"
        )
    with refused("ResourceNotFoundException", "SourceArn", status=404):
        sqs.start_message_move_task(SourceArn="arn:aws:sqs:us-east-1:000000000000:not-there")


@pytest.mark.parametrize("rate", [0, 501, -1])
def test_the_rate_of_a_redrive_is_bounded(sqs, pair, rate):
    _, target = pair()
    with refused("InvalidParameterValue", "MaxNumberOfMessagesPerSecond"):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, target), MaxNumberOfMessagesPerSecond=rate)


def test_a_task_handle_that_was_never_given_is_refused(sqs):
    with refused("InvalidParameterValue", "Value for parameter TaskHandle is invalid."):
        sqs.cancel_message_move_task(TaskHandle="garbage")


def test_a_finished_task_cannot_be_cancelled(sqs, dead):
    source, target = dead(1)
    arn = arn_of(sqs, target)
    handle = sqs.start_message_move_task(SourceArn=arn)["TaskHandle"]
    eventually(lambda: task_of(sqs, arn).get("Status") == "COMPLETED")
    with pytest.raises(sqs.exceptions.ClientError) as caught:
        sqs.cancel_message_move_task(TaskHandle=handle)
    assert caught.value.response["Error"]["Code"] in (
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.UnsupportedOperation",
    )
    assert drained(sqs, source, 1) == ["m0"]


def test_tasks_are_listed_newest_first_and_ten_at_most(sqs, dead):
    source, target = dead(1)
    arn = arn_of(sqs, target)
    assert sqs.list_message_move_tasks(SourceArn=arn)["Results"] == []
    for _ in range(2):
        sqs.start_message_move_task(SourceArn=arn)
        eventually(lambda: task_of(sqs, arn).get("Status") == "COMPLETED")
        time.sleep(0.01)
    both = sqs.list_message_move_tasks(SourceArn=arn, MaxResults=10)["Results"]
    assert len(both) == 2 and both[0]["StartedTimestamp"] >= both[1]["StartedTimestamp"]
    assert len(sqs.list_message_move_tasks(SourceArn=arn)["Results"]) == 1  # the default is one
    for wrong in (0, 11):
        with refused("InvalidParameterValue", "MaxResults"):
            sqs.list_message_move_tasks(SourceArn=arn, MaxResults=wrong)
