"""Visibility timeouts, receive counts and delays."""

import time

import pytest
from support.aws import eventually, receive_all, receive_none, receive_one, refused

COUNT = {"MessageSystemAttributeNames": ["ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"]}


def test_a_claimed_message_is_hidden_and_comes_back(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    first = receive_one(sqs, queue, VisibilityTimeout=1, **COUNT)
    claimed = time.monotonic()
    receive_none(sqs, queue)
    again = receive_one(sqs, queue, wait_s=5, **COUNT)
    assert 0.7 < time.monotonic() - claimed < 2.5
    assert again["MessageId"] == first["MessageId"]
    assert again["ReceiptHandle"] != first["ReceiptHandle"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert (
        again["Attributes"]["ApproximateFirstReceiveTimestamp"]
        == first["Attributes"]["ApproximateFirstReceiveTimestamp"]
    )


def test_the_queues_timeout_is_used_where_the_call_gives_none(sqs, make_queue):
    url = make_queue(VisibilityTimeout="1")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    receive_one(sqs, url)
    receive_none(sqs, url)
    receive_one(sqs, url, wait_s=3)


def test_a_timeout_of_zero_hides_nothing(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    for count in ("1", "2", "3"):
        got = receive_one(sqs, queue, VisibilityTimeout=0, **COUNT)
        assert got["Attributes"]["ApproximateReceiveCount"] == count


def test_a_timeout_can_be_extended(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue, VisibilityTimeout=1)["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=30)
    receive_none(sqs, queue, wait_s=2)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)


def test_a_timeout_can_be_cut_short(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=1)
    receive_none(sqs, queue)
    receive_one(sqs, queue, wait_s=3)


def test_zero_gives_a_message_back_at_once(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    receive_one(sqs, queue, wait_s=0)


@pytest.mark.parametrize("value", [-1, 43_201])
def test_change_visibility_is_bounded(sqs, queue, value):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    with refused("InvalidParameterValue", f"Value {value} for parameter VisibilityTimeout is invalid."):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=value)


def test_twelve_hours_count_from_the_receive(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    time.sleep(1.2)
    with refused("InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=43_200)


def test_all_of_the_twelve_hours_can_be_asked_for_at_once(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=43_200)


def test_an_older_handle_changes_the_claim_that_there_is(sqs, queue):
    """Recorded of AWS, for standard queues."""
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    older = receive_one(sqs, queue, VisibilityTimeout=0)["ReceiptHandle"]
    receive_one(sqs, queue, VisibilityTimeout=60)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=older, VisibilityTimeout=0)
    receive_one(sqs, queue)


def test_visibility_of_a_deleted_message_cannot_be_changed(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    with refused("InvalidParameterValue", "Message does not exist or is not available for visibility timeout change."):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=10)


def test_change_visibility_batch_reports_each_entry(sqs, queue):
    for i in range(2):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    got = receive_all(sqs, queue, 2, delete=False)
    answer = sqs.change_message_visibility_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "a", "ReceiptHandle": got[0]["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "b", "ReceiptHandle": got[1]["ReceiptHandle"], "VisibilityTimeout": 43_201},
            {"Id": "c", "ReceiptHandle": "garbage", "VisibilityTimeout": 1},
        ],
    )
    assert [e["Id"] for e in answer["Successful"]] == ["a"]
    assert {e["Id"]: e["Code"] for e in answer["Failed"]} == {
        "b": "InvalidParameterValue",
        "c": "ReceiptHandleIsInvalid",
    }
    assert receive_one(sqs, queue)["Body"] == got[0]["Body"]


def test_an_old_handle_of_a_standard_queue_still_deletes(sqs, queue):
    """After the timeout, while nobody else has claimed the message."""
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue, VisibilityTimeout=0)["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    receive_none(sqs, queue, wait_s=1)


def test_visibility_can_be_changed_after_it_ended(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue, VisibilityTimeout=1)["ReceiptHandle"]
    time.sleep(1.5)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=2)


def test_a_delayed_message_comes_when_its_delay_ends(sqs, queue):
    sent = time.monotonic()
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=2)
    sqs.send_message(QueueUrl=queue, MessageBody="now")
    assert receive_one(sqs, queue)["Body"] == "now"
    receive_none(sqs, queue)
    assert receive_one(sqs, queue, wait_s=5)["Body"] == "later"
    assert 1.7 < time.monotonic() - sent < 3.5


def test_a_delay_queue_delays_all_and_a_message_may_differ(sqs, make_queue):
    url = make_queue(DelaySeconds="2")
    sqs.send_message(QueueUrl=url, MessageBody="later")
    sqs.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert receive_one(sqs, url)["Body"] == "now"
    receive_none(sqs, url)
    assert receive_one(sqs, url, wait_s=5)["Body"] == "later"


def test_a_batch_may_hold_delays_of_each_kind(sqs, queue):
    sqs.send_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "0", "MessageBody": "0"},
            {"Id": "2", "MessageBody": "2", "DelaySeconds": 2},
            {"Id": "1", "MessageBody": "1", "DelaySeconds": 1},
        ],
    )
    assert [receive_one(sqs, queue, wait_s=5)["Body"] for _ in range(3)] == ["0", "1", "2"]


def test_a_hundred_claims_all_come_back(sqs, make_queue):
    url = make_queue(VisibilityTimeout="2")
    for start in range(10):
        sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": f"{start}{i}"} for i in range(10)]
        )
    first = receive_all(sqs, url, 100, delete=False)
    ids = {m["MessageId"] for m in first}
    eventually(lambda: ids == {m["MessageId"] for m in receive_all(sqs, url, 100, delete=True)}, timeout_s=1)
