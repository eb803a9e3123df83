"""FIFO queues: order within a group, one batch of a group in flight, exactly-once sends."""

import time

import pytest
from support.aws import attributes, receive_none, receive_one, refused


def send(sqs, url, body, group="g", dedup=None, **more):
    """Sends with the body as deduplication id, unless told otherwise."""
    extra = {} if dedup is False else {"MessageDeduplicationId": dedup or f"d-{body}"}
    return sqs.send_message(QueueUrl=url, MessageBody=str(body), MessageGroupId=group, **extra, **more)


def receive(sqs, url, most=10, wait_s=0, **more):
    """Bodies and messages of one receive."""
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=wait_s, **more)
    return got.get("Messages", [])


def bodies(messages):
    return [m["Body"] for m in messages]


def delete(sqs, url, messages):
    for m in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])


def test_one_group_is_received_in_order(sqs, fifo):
    for i in range(25):
        send(sqs, fifo, i)
    seen = []
    while batch := receive(sqs, fifo):
        seen += bodies(batch)
        delete(sqs, fifo, batch)
    assert seen == [str(i) for i in range(25)]


def test_a_batch_keeps_its_order(sqs, fifo):
    sqs.send_message_batch(
        QueueUrl=fifo,
        Entries=[
            {"Id": f"e{i}", "MessageBody": str(i), "MessageGroupId": "g", "MessageDeduplicationId": str(i)}
            for i in range(10)
        ],
    )
    assert bodies(receive(sqs, fifo)) == [str(i) for i in range(10)]


def test_sequence_numbers_grow_and_are_received(sqs, fifo):
    sent = [send(sqs, fifo, i, group=f"g{i % 2}")["SequenceNumber"] for i in range(6)]
    assert all(len(s) == 20 and s.isdigit() for s in sent)
    assert [int(s) for s in sent] == sorted({int(s) for s in sent})
    got = receive(sqs, fifo, MessageSystemAttributeNames=["All"])
    assert {m["Attributes"]["SequenceNumber"] for m in got} <= set(sent)
    first = got[0]["Attributes"]
    assert first["MessageGroupId"] == "g0" and first["MessageDeduplicationId"] == "d-0"


def test_a_group_in_flight_is_closed(sqs, fifo):
    for i in range(4):
        send(sqs, fifo, i)
    first = receive(sqs, fifo, most=2)
    assert bodies(first) == ["0", "1"]
    receive_none(sqs, fifo)
    delete(sqs, fifo, first[:1])
    receive_none(sqs, fifo)  # one of the batch is still in flight
    delete(sqs, fifo, first[1:])
    assert bodies(receive(sqs, fifo)) == ["2", "3"]


def test_groups_are_in_flight_side_by_side(sqs, fifo):
    for group in ("a", "b", "c"):
        send(sqs, fifo, f"{group}0", group=group)
        send(sqs, fifo, f"{group}1", group=group)
    seen = [bodies(receive(sqs, fifo, most=1))[0] for _ in range(3)]
    assert sorted(seen) == ["a0", "b0", "c0"]
    receive_none(sqs, fifo)


def test_sending_into_a_group_in_flight_waits_its_turn(sqs, fifo):
    send(sqs, fifo, 0)
    first = receive(sqs, fifo)
    send(sqs, fifo, 1)
    receive_none(sqs, fifo)
    delete(sqs, fifo, first)
    assert bodies(receive(sqs, fifo)) == ["1"]


def test_what_times_out_comes_back_in_order_before_the_rest(sqs, fifo):
    for i in range(4):
        send(sqs, fifo, i)
    assert bodies(receive(sqs, fifo, most=2, VisibilityTimeout=1)) == ["0", "1"]
    assert bodies(receive(sqs, fifo, wait_s=5)) == ["0", "1", "2", "3"]


def test_a_message_given_back_comes_first(sqs, fifo):
    for i in range(3):
        send(sqs, fifo, i)
    first = receive(sqs, fifo, most=1)
    sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=first[0]["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(receive(sqs, fifo)) == ["0", "1", "2"]


def test_the_head_of_a_batch_given_back_comes_alone(sqs, fifo):
    """Recorded of AWS: a group offers what is visible at its head, though what follows is in flight."""
    for i in range(3):
        send(sqs, fifo, i)
    got = receive(sqs, fifo, most=2)
    sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=got[0]["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(receive(sqs, fifo, wait_s=1)) == ["0"]
    receive_none(sqs, fifo)


def test_extending_in_the_middle_of_a_group_keeps_it_closed(sqs, fifo):
    for i in range(4):
        send(sqs, fifo, i)
    got = receive(sqs, fifo, most=3, VisibilityTimeout=2)
    assert bodies(got) == ["0", "1", "2"]
    sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=got[1]["ReceiptHandle"], VisibilityTimeout=6)
    delete(sqs, fifo, [got[0], got[2]])
    receive_none(sqs, fifo, wait_s=3)  # message 1 is still in flight, and 3 is behind it
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=got[1]["ReceiptHandle"])
    assert bodies(receive(sqs, fifo, wait_s=3)) == ["3"]


def test_an_extension_in_the_middle_holds_back_what_comes_after(sqs, fifo):
    for i in range(4):
        send(sqs, fifo, i)
    got = receive(sqs, fifo, most=3, VisibilityTimeout=1)
    sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=got[1]["ReceiptHandle"], VisibilityTimeout=30)
    assert bodies(receive(sqs, fifo, wait_s=4)) == ["0"]  # 2 and 3 are behind 1, which is in flight
    receive_none(sqs, fifo, wait_s=1)


def test_a_purge_forgets_the_deduplication_ids(sqs, fifo):
    """Recorded of AWS."""
    send(sqs, fifo, "one", dedup="same")
    sqs.purge_queue(QueueUrl=fifo)
    send(sqs, fifo, "two", dedup="same")
    assert bodies(receive(sqs, fifo, wait_s=2)) == ["two"]


def test_an_entry_that_is_wrong_fails_alone(sqs, fifo):
    entries = [
        {"Id": i, "MessageBody": body, "MessageGroupId": "g", "MessageDeduplicationId": i}
        for i, body in (("a", "first"), ("b", "\x01"), ("c", "second"))
    ]
    answer = sqs.send_message_batch(QueueUrl=fifo, Entries=entries)
    assert [e["Id"] for e in answer["Successful"]] == ["a", "c"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [("b", "InvalidMessageContents", True)]
    assert bodies(receive(sqs, fifo)) == ["first", "second"]


def test_a_repeated_id_is_accepted_and_sent_once(sqs, other_sqs, fifo):
    first = send(sqs, fifo, "one", dedup="same")
    again = send(other_sqs, fifo, "two", dedup="same")
    assert again["MessageId"] == first["MessageId"]
    assert again["SequenceNumber"] == first["SequenceNumber"]
    got = receive(sqs, fifo)
    assert bodies(got) == ["one"]
    delete(sqs, fifo, got)
    send(sqs, fifo, "three", dedup="same")  # deleted, and still within the five minutes
    receive_none(sqs, fifo, wait_s=1)


def test_the_scope_of_a_queue_spans_groups(sqs, fifo):
    send(sqs, fifo, "a", group="a", dedup="same")
    send(sqs, fifo, "b", group="b", dedup="same")
    assert bodies(receive(sqs, fifo)) == ["a"]


def test_the_scope_of_a_group_does_not(sqs, make_queue):
    url = make_queue(fifo=True, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    send(sqs, url, "a", group="a", dedup="same")
    send(sqs, url, "b", group="b", dedup="same")
    send(sqs, url, "c", group="b", dedup="same")
    got = receive(sqs, url) + receive(sqs, url)
    assert sorted(bodies(got)) == ["a", "b"]


def test_content_is_its_own_id_when_the_queue_says_so(sqs, make_queue):
    url = make_queue(fifo=True, ContentBasedDeduplication="true")
    first = send(sqs, url, "same", dedup=False)
    assert send(sqs, url, "same", dedup=False)["MessageId"] == first["MessageId"]
    send(sqs, url, "other", dedup=False)
    send(sqs, url, "same", dedup="explicit")
    assert bodies(receive(sqs, url)) == ["same", "other", "same"]


def test_content_means_the_body_and_not_the_attributes(sqs, make_queue):
    url = make_queue(fifo=True, ContentBasedDeduplication="true")
    send(sqs, url, "same", dedup=False)
    send(sqs, url, "same", dedup=False, MessageAttributes={"n": {"DataType": "String", "StringValue": "v"}})
    assert len(receive(sqs, url)) == 1


def test_without_an_id_and_without_content_a_send_is_refused(sqs, fifo):
    with refused(
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ):
        send(sqs, fifo, "x", dedup=False)


def test_without_a_group_a_send_is_refused(sqs, fifo):
    with refused("MissingParameter", "The request must contain the parameter MessageGroupId."):
        sqs.send_message(QueueUrl=fifo, MessageBody="x", MessageDeduplicationId="1")


def test_a_delay_of_its_own_is_refused(sqs, fifo):
    with refused(
        "InvalidParameterValue",
        "Value 2 for parameter DelaySeconds is invalid. Reason: "
        "The request include parameter that is not valid for this queue type.",
    ):
        send(sqs, fifo, "x", DelaySeconds=2)


def test_a_delay_of_zero_is_taken(sqs, fifo):
    send(sqs, fifo, "x", DelaySeconds=0)
    assert bodies(receive(sqs, fifo)) == ["x"]


@pytest.mark.parametrize("bad", ["g" * 129, "with space", "ü"])
def test_group_and_deduplication_ids_are_checked(sqs, fifo, bad):
    with refused("InvalidParameterValue", "MessageGroupId"):
        send(sqs, fifo, "x", group=bad)
    with refused("InvalidParameterValue", "MessageDeduplicationId"):
        send(sqs, fifo, "x", dedup=bad)


def test_ids_may_hold_every_printable_character(sqs, fifo):
    every = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + "aZ9"
    send(sqs, fifo, "x", group=every.ljust(128, "g"), dedup=every.ljust(128, "d"))
    got = receive(sqs, fifo, MessageSystemAttributeNames=["All"])[0]["Attributes"]
    assert got["MessageGroupId"] == every.ljust(128, "g")
    assert got["MessageDeduplicationId"] == every.ljust(128, "d")


def test_a_deduplication_id_is_no_business_of_a_standard_queue(sqs, queue):
    with refused("InvalidParameterValue", "MessageDeduplicationId"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageDeduplicationId="1")


def test_a_delayed_queue_delays_and_keeps_the_order(sqs, make_queue):
    url = make_queue(fifo=True, DelaySeconds="1")
    for i in range(3):
        send(sqs, url, i)
    receive_none(sqs, url)
    time.sleep(1.3)
    assert bodies(receive(sqs, url, wait_s=3)) == ["0", "1", "2"]


def test_a_delayed_group_does_not_hold_up_another(sqs, make_queue):
    """The delay is the queue's, so the older group is ready first and does not wait for the younger."""
    url = make_queue(fifo=True, DelaySeconds="1")
    send(sqs, url, "a", group="a")
    time.sleep(0.7)
    send(sqs, url, "b", group="b")
    assert bodies(receive(sqs, url, wait_s=5)) == ["a"]
    assert bodies(receive(sqs, url, wait_s=5)) == ["b"]


def test_an_old_handle_no_longer_deletes(sqs, fifo):
    send(sqs, fifo, "x")
    old = receive(sqs, fifo, VisibilityTimeout=1)[0]["ReceiptHandle"]
    time.sleep(1.3)
    with refused("InvalidParameterValue", "The receipt handle has expired."):
        sqs.delete_message(QueueUrl=fifo, ReceiptHandle=old)
    assert bodies(receive(sqs, fifo, wait_s=2)) == ["x"]


def test_an_old_handle_does_not_delete_what_another_holds(sqs, fifo):
    send(sqs, fifo, "x")
    old = receive(sqs, fifo, VisibilityTimeout=0)[0]["ReceiptHandle"]
    new = receive(sqs, fifo)[0]["ReceiptHandle"]
    with refused("InvalidParameterValue", "The receipt handle has expired."):
        sqs.delete_message(QueueUrl=fifo, ReceiptHandle=old)
    with pytest.raises(sqs.exceptions.ClientError) as caught:
        sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=old, VisibilityTimeout=0)
    assert caught.value.response["Error"]["Code"] in (
        "InvalidParameterValue",
        "AWS.SimpleQueueService.MessageNotInflight",
    )
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=new)
    receive_none(sqs, fifo, wait_s=1)


def test_the_same_attempt_gets_the_same_messages(sqs, other_sqs, fifo):
    for i in range(3):
        send(sqs, fifo, i)
    first = receive(sqs, fifo, most=2, ReceiveRequestAttemptId="attempt-1")
    again = receive(other_sqs, fifo, most=2, ReceiveRequestAttemptId="attempt-1")
    assert bodies(again) == bodies(first) == ["0", "1"]
    assert receive(sqs, fifo, ReceiveRequestAttemptId="attempt-2") == []
    delete(sqs, fifo, again)
    assert bodies(receive(sqs, fifo)) == ["2"]


def test_an_attempt_id_is_checked(sqs, fifo):
    for bad in ("a" * 129, "with space"):
        with refused("InvalidParameterValue", "ReceiveRequestAttemptId"):
            receive(sqs, fifo, ReceiveRequestAttemptId=bad)


def test_an_attempt_after_a_delete_gets_new_messages(sqs, fifo):
    for i in range(2):
        send(sqs, fifo, i)
    first = receive(sqs, fifo, most=1, ReceiveRequestAttemptId="attempt")
    delete(sqs, fifo, first)
    assert bodies(receive(sqs, fifo, most=1, ReceiveRequestAttemptId="attempt")) in (["1"], [])


def test_a_thousand_messages_in_many_groups(sqs, other_sqs, fifo):
    sent = {}
    for start in range(0, 1000, 10):
        entries = []
        for i in range(start, start + 10):
            group = f"g{i * 7 % 23}"
            sent.setdefault(group, []).append(str(i))
            entries.append(
                {"Id": str(i), "MessageBody": str(i), "MessageGroupId": group, "MessageDeduplicationId": str(i)}
            )
        assert len(sqs.send_message_batch(QueueUrl=fifo, Entries=entries)["Successful"]) == 10
    got = {}
    clients = [sqs, other_sqs]
    for turn in range(1000):
        batch = receive(clients[turn % 2], fifo, wait_s=1, MessageSystemAttributeNames=["MessageGroupId"])
        if not batch:
            break
        for m in batch:
            got.setdefault(m["Attributes"]["MessageGroupId"], []).append(m["Body"])
        sqs.delete_message_batch(
            QueueUrl=fifo,
            Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(batch)],
        )
    assert got == sent
    counts = attributes(sqs, fifo, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert set(counts.values()) == {"0"}


def test_entries_of_one_batch_may_repeat_an_id(sqs, fifo):
    answer = sqs.send_message_batch(
        QueueUrl=fifo,
        Entries=[
            {"Id": "a", "MessageBody": "first", "MessageGroupId": "g", "MessageDeduplicationId": "same"},
            {"Id": "b", "MessageBody": "second", "MessageGroupId": "g", "MessageDeduplicationId": "same"},
        ],
    )
    assert [e["Id"] for e in answer["Successful"]] == ["a", "b"]
    assert bodies(receive(sqs, fifo)) == ["first"]


def test_a_batch_without_group_or_id_is_refused(sqs, fifo):
    entry = {"Id": "1", "MessageBody": "x"}
    for missing, more in (
        ("MessageGroupId", {"MessageDeduplicationId": "1"}),
        ("MessageDeduplicationId", {"MessageGroupId": "g"}),
    ):
        # AWS refuses the call as a whole; its reference also allows an entry to be reported as failed.
        try:
            answer = sqs.send_message_batch(QueueUrl=fifo, Entries=[{**entry, **more}])
        except sqs.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("InvalidParameterValue", "MissingParameter")
            assert missing in error.response["Error"]["Message"]
        else:
            assert [e["Id"] for e in answer["Failed"]] == ["1"], missing
    receive_none(sqs, fifo)


def test_receive_one_at_a_time_in_a_group(sqs, fifo):
    for i in range(3):
        send(sqs, fifo, i)
    for i in range(3):
        got = receive_one(sqs, fifo)
        assert got["Body"] == str(i)
        sqs.delete_message(QueueUrl=fifo, ReceiptHandle=got["ReceiptHandle"])
