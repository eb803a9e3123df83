"""Publishing to queues: what arrives, in which form, in which order, once, and through whichever node."""

import hashlib
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
from support.aws import arn_of, attributes, receive_all, receive_none, receive_one, refused, sqs_client
from support.nodes import Cluster
from support.sns import document, sns_client, subscribe

ALL = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
SENT = {
    "text": {"DataType": "String", "StringValue": "a \"b\" <c> ü"},
    "number": {"DataType": "Number", "StringValue": "1.50"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    "list": {"DataType": "String.Array", "StringValue": '["x", 1]'},
}


def bodies(messages):
    return [document(m)["Message"] for m in messages]


def test_the_document_that_a_queue_gets(sns, sqs, topic, queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    text = "hello \"you\"\n\\ ü 🦀 </x>"
    published = sns.publish(TopicArn=topic, Message=text, Subject="a subject", MessageAttributes=SENT)
    assert "SequenceNumber" not in published
    got = receive_one(sqs, queue, **ALL)
    told = document(got)
    assert list(told) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
        "UnsubscribeURL", "MessageAttributes",
    ]  # fmt: skip
    assert told["Type"] == "Notification"
    assert told["MessageId"] == published["MessageId"] != got["MessageId"]
    assert (told["TopicArn"], told["Subject"], told["Message"]) == (topic, "a subject", text)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(told["Timestamp"].replace("Z", "+00:00"))
    assert abs(age.total_seconds()) < 60
    assert told["UnsubscribeURL"].endswith(f"/?Action=Unsubscribe&SubscriptionArn={arn}")
    assert told["MessageAttributes"] == {
        "bytes": {"Type": "Binary", "Value": "AP8="},
        "list": {"Type": "String.Array", "Value": '["x", 1]'},
        "number": {"Type": "Number", "Value": "1.50"},
        "text": {"Type": "String", "Value": "a \"b\" <c> ü"},
    }
    assert "MessageAttributes" not in got and "MD5OfMessageAttributes" not in got
    assert got["MD5OfBody"] == hashlib.md5(got["Body"].encode()).hexdigest()
    assert got["Attributes"]["SenderId"].startswith("AIDA")
    assert set(got["Attributes"]) == {
        "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
    }  # fmt: skip
    # Received once more it is the same, to the byte.
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    again = receive_one(sqs, queue)
    assert (again["Body"], again["MessageId"]) == (got["Body"], got["MessageId"])


def test_the_raw_message(sns, sqs, topic, queue):
    subscribe(sns, topic, arn_of(sqs, queue), RawMessageDelivery="true")
    sns.publish(TopicArn=topic, Message="just this", Subject="is left out", MessageAttributes=SENT)
    got = receive_one(sqs, queue, **ALL)
    assert got["Body"] == "just this"
    # botocore has checked the MD5 of the body; this is that of the attributes, by SQS's own words for the same message.
    assert got["MessageAttributes"] == SENT
    sent = sqs.send_message(QueueUrl=queue, MessageBody="just this", MessageAttributes=SENT)
    assert got["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert got["MD5OfBody"] == sent["MD5OfMessageBody"]


def test_everybody_gets_a_copy_in_the_form_that_they_want(sns, sqs, topic, make_queue):
    queues = [make_queue() for _ in range(6)]
    for i, url in enumerate(queues):
        subscribe(sns, topic, arn_of(sqs, url), RawMessageDelivery=str(i % 2 == 0).lower())
    sns.publish(TopicArn=topic, Message="for all")
    got = [receive_one(sqs, url) for url in queues]
    assert [m["Body"] for m in got[::2]] == ["for all"] * 3
    assert bodies(got[1::2]) == ["for all"] * 3
    assert len({m["MessageId"] for m in got}) == 6
    links = {document(m)["UnsubscribeURL"] for m in got[1::2]}
    assert len(links) == 3, "each has the link of its own subscription"
    for url in queues:
        receive_none(sqs, url)


def test_a_message_with_a_text_for_each_protocol(sns, sqs, topic, make_queue):
    raw, wrapped = make_queue(), make_queue()
    subscribe(sns, topic, arn_of(sqs, raw), RawMessageDelivery="true")
    subscribe(sns, topic, arn_of(sqs, wrapped))
    for texts, expected in [({"default": "d", "sqs": "q"}, "q"), ({"default": "d", "email": "e"}, "d")]:
        sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
        assert receive_one(sqs, raw)["Body"] == expected
        assert document(receive_one(sqs, wrapped))["Message"] == expected
    with refused("InvalidParameter", "No default entry in JSON message body"):
        sns.publish(TopicArn=topic, Message='{"sqs": "q"}', MessageStructure="json")


def test_a_group_makes_a_standard_queue_fair(sns, sqs, topic, queue):
    subscribe(sns, topic, arn_of(sqs, queue))
    sns.publish(TopicArn=topic, Message="x", MessageGroupId="tenant")
    assert receive_one(sqs, queue, **ALL)["Attributes"]["MessageGroupId"] == "tenant"
    with refused("InvalidParameter", "MessageDeduplicationId"):
        sns.publish(TopicArn=topic, Message="x", MessageDeduplicationId="d")


def test_a_batch(sns, sqs, topic, queue):
    subscribe(sns, topic, arn_of(sqs, queue))
    entries = [{"Id": f"e{i}", "Message": f"m{i}", "Subject": f"s{i}"} for i in range(10)]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert answer.get("Failed", []) == []
    assert [e["Id"] for e in answer["Successful"]] == [e["Id"] for e in entries]
    got = receive_all(sqs, queue, 10)
    ids = {document(m)["Message"]: document(m)["MessageId"] for m in got}
    assert ids == {f"m{i}": e["MessageId"] for i, e in enumerate(answer["Successful"])}


@pytest.mark.parametrize(
    "entries, code",
    [
        ([{"Id": "a", "Message": "x"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": f"e{i}", "Message": "x"} for i in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a b", "Message": "x"}], "InvalidBatchEntryId"),
        ([{"Id": f"e{i}", "Message": "x" * 131_073} for i in range(2)], "BatchRequestTooLong"),
        ([{"Id": "a", "Message": "x"}, {"Id": "b", "Message": ""}], "InvalidParameter"),
    ],
)
def test_batches_that_are_refused_as_a_whole(sns, sqs, topic, queue, entries, code):
    subscribe(sns, topic, arn_of(sqs, queue))
    with refused(code):
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    receive_none(sqs, queue)


def test_messages_that_are_too_long(sns, sqs, make_topic, queue):
    topic = make_topic()
    subscribe(sns, topic, arn_of(sqs, queue))
    with refused("InvalidParameter", "Message too long"):
        sns.publish(TopicArn=topic, Message="x" * 262_145)
    sns.publish(TopicArn=topic, Message="x" * 262_144)
    assert len(document(receive_one(sqs, queue))["Message"]) == 262_144
    sns.set_topic_attributes(TopicArn=topic, AttributeName="MaximumMessageSize", AttributeValue="1024")
    with refused("InvalidParameter", "Message too long"):
        sns.publish(TopicArn=topic, Message="x" * 1_025)


def test_a_message_of_a_fifo_topic(sns, sqs, make_topic, make_queue):
    topic = make_topic(fifo=True)
    wrapped, raw, standard = make_queue(fifo=True), make_queue(fifo=True), make_queue()
    for url, is_raw in [(wrapped, "false"), (raw, "true"), (standard, "false")]:
        subscribe(sns, topic, arn_of(sqs, url), RawMessageDelivery=is_raw)
    send = {"TopicArn": topic, "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    published = sns.publish(Message="once", **send)
    assert re.fullmatch(r"\d{20}", published["SequenceNumber"])
    got = receive_one(sqs, wrapped, **ALL)
    told = document(got)
    assert list(told)[:4] == ["Type", "MessageId", "SequenceNumber", "TopicArn"]
    assert told["SequenceNumber"] == published["SequenceNumber"]
    assert told["MessageId"] == published["MessageId"]
    assert (got["Attributes"]["MessageGroupId"], got["Attributes"]["MessageDeduplicationId"]) == ("g", "d")
    assert re.fullmatch(r"\d{20}", got["Attributes"]["SequenceNumber"])
    assert receive_one(sqs, raw)["Body"] == "once"
    assert document(receive_one(sqs, standard))["SequenceNumber"] == published["SequenceNumber"]
    with refused("InvalidParameter", "The MessageGroupId parameter is required for FIFO topics"):
        sns.publish(TopicArn=topic, Message="x", MessageDeduplicationId="e")
    with refused("InvalidParameter", "ContentBasedDeduplication enabled or MessageDeduplicationId"):
        sns.publish(TopicArn=topic, Message="x", MessageGroupId="g")


def test_a_repeated_publish_is_one_message(sns, other_sns, sqs, make_topic, make_queue):
    topic, queue = make_topic(fifo=True, ContentBasedDeduplication="true"), make_queue(fifo=True)
    subscribe(sns, topic, arn_of(sqs, queue))
    first = sns.publish(TopicArn=topic, Message="same", MessageGroupId="g")
    again = other_sns.publish(TopicArn=topic, Message="same", MessageGroupId="other")
    assert [again[k] for k in ("MessageId", "SequenceNumber")] == [first[k] for k in ("MessageId", "SequenceNumber")]
    other = sns.publish(TopicArn=topic, Message="other", MessageGroupId="g")
    assert int(other["SequenceNumber"]) > int(first["SequenceNumber"])
    got = receive_all(sqs, queue, 2, **ALL)
    assert bodies(got) == ["same", "other"]
    digest = hashlib.sha256(b"same").hexdigest()
    assert got[0]["Attributes"]["MessageDeduplicationId"] == digest
    receive_none(sqs, queue)


def test_groups_can_have_ids_of_their_own(sns, sqs, make_topic, make_queue):
    topic = make_topic(fifo=True, FifoThroughputScope="MessageGroup")
    queue = make_queue(fifo=True, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    subscribe(sns, topic, arn_of(sqs, queue), RawMessageDelivery="true")
    for group in ("a", "b", "a"):
        sns.publish(TopicArn=topic, Message=group, MessageGroupId=group, MessageDeduplicationId="d")
    assert sorted(m["Body"] for m in receive_all(sqs, queue, 2)) == ["a", "b"]
    receive_none(sqs, queue)


def test_groups_keep_their_order(sns, other_sns, sqs, make_topic, make_queue):
    topic, queues = make_topic(fifo=True), [make_queue(fifo=True) for _ in range(3)]
    for url in queues:
        subscribe(sns, topic, arn_of(sqs, url), RawMessageDelivery="true")
    sequence = []
    for i in range(30):
        client = (sns, other_sns)[i % 2]
        entries = [
            {"Id": g, "Message": f"{g}{i:02}", "MessageGroupId": g, "MessageDeduplicationId": f"{g}{i}"} for g in "abc"
        ]
        answer = client.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        sequence += [int(e["SequenceNumber"]) for e in answer["Successful"]]
    assert sequence == sorted(set(sequence))
    for url in queues:
        got = [m["Body"] for m in receive_all(sqs, url, 90)]
        for group in "abc":
            assert [b for b in got if b[0] == group] == [f"{group}{i:02}" for i in range(30)]


def test_what_cannot_be_delivered_goes_to_the_dead_letters(sns, sqs, topic, make_queue):
    gone, dead, alive = make_queue(), make_queue(), make_queue()
    redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, dead)})
    arn = subscribe(sns, topic, arn_of(sqs, gone), RedrivePolicy=redrive)
    subscribe(sns, topic, arn_of(sqs, alive))
    sqs.delete_queue(QueueUrl=gone)
    published = sns.publish(TopicArn=topic, Message="where to")
    got = document(receive_one(sqs, dead))
    assert (got["Message"], got["MessageId"]) == ("where to", published["MessageId"])
    assert got["UnsubscribeURL"].endswith(arn)
    assert document(receive_one(sqs, alive))["Message"] == "where to"


def test_raw_messages_with_more_attributes_than_a_queue_takes(sns, sqs, topic, make_queue):
    raw, wrapped = make_queue(), make_queue()
    subscribe(sns, topic, arn_of(sqs, raw), RawMessageDelivery="true")
    subscribe(sns, topic, arn_of(sqs, wrapped))
    many = {f"a{i}": {"DataType": "String", "StringValue": "v"} for i in range(11)}
    sns.publish(TopicArn=topic, Message="many", MessageAttributes=many)
    assert len(document(receive_one(sqs, wrapped))["MessageAttributes"]) == 11
    # What comes after it shows that it did not come.
    sns.publish(TopicArn=topic, Message="few")
    assert receive_one(sqs, raw)["Body"] == "few"


def test_a_dead_letter_of_the_queue_is_still_the_document(sns, sqs, topic, make_queue):
    dead = make_queue()
    policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": 1})
    queue = make_queue(RedrivePolicy=policy, VisibilityTimeout="0")
    subscribe(sns, topic, arn_of(sqs, queue))
    sns.publish(TopicArn=topic, Message="poison")
    body = receive_one(sqs, queue)["Body"]
    sqs.receive_message(QueueUrl=queue)
    assert receive_one(sqs, dead)["Body"] == body


@pytest.fixture(scope="module")
def three():
    """Clients of topics and of queues at the three nodes of a cluster of its own."""
    with Cluster(3) as cluster:
        yield [(sns_client(e), sqs_client(e)) for e in cluster.endpoints]


def test_who_has_subscribed_through_one_node_is_published_to_through_every_other(three):
    """At once: what is published when Subscribe has answered is for the subscriber."""
    topic = three[0][0].create_topic(Name=f"t-{uuid.uuid4().hex}")["TopicArn"]
    for i in range(24):
        sns, sqs = three[i % 3]
        url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]
        arn = subscribe(sns, topic, attributes(sqs, url, "QueueArn")["QueueArn"])
        three[(i + 1) % 3][0].publish(TopicArn=topic, Message=f"a{i}")
        three[(i + 2) % 3][0].publish(TopicArn=topic, Message=f"b{i}")
        got = receive_all(three[(i + 1) % 3][1], url, 2)
        assert sorted(bodies(got)) == [f"a{i}", f"b{i}"]
        three[(i + 2) % 3][0].unsubscribe(SubscriptionArn=arn)


def test_publishing_goes_on_while_others_subscribe(three):
    """Each subscriber gets everything that was published after its Subscribe was answered, once."""
    topic = three[0][0].create_topic(Name=f"t-{uuid.uuid4().hex}")["TopicArn"]
    urls = [three[0][1].create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"] for _ in range(8)]
    queues = [attributes(three[0][1], url, "QueueArn")["QueueArn"] for url in urls]
    answered = []

    def subscribe_all():
        for i, queue in enumerate(queues):
            subscribe(three[i % 3][0], topic, queue, RawMessageDelivery="true")
            answered.append(queue)

    published = []  # each message, and who had subscribed before it
    with ThreadPoolExecutor(1) as pool:
        subscribing = pool.submit(subscribe_all)
        while not subscribing.done() or len(published) < 40:
            message = f"m{len(published)}"
            had = len(answered)
            three[len(published) % 3][0].publish(TopicArn=topic, Message=message)
            published.append((message, had))
        subscribing.result()
    last = "the last"
    three[1][0].publish(TopicArn=topic, Message=last)
    for i, url in enumerate(urls):
        due = {message for message, had in published if had > i} | {last}
        got = []
        while not due <= set(got):
            got += [m["Body"] for m in receive_all(three[2][1], url, 1)]
        assert len(got) == len(set(got)), "once"


def test_a_fifo_topic_is_one_through_every_node(three):
    topic = three[0][0].create_topic(Name=f"t-{uuid.uuid4().hex}.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    url = three[1][1].create_queue(QueueName=f"q-{uuid.uuid4().hex}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    subscribe(three[2][0], topic, attributes(three[1][1], url, "QueueArn")["QueueArn"])
    for i in range(12):
        for repeat in range(2):
            three[(i + repeat) % 3][0].publish(
                TopicArn=topic, Message=str(i), MessageGroupId="g", MessageDeduplicationId=str(i)
            )
    got = receive_all(three[0][1], url, 12)
    assert bodies(got) == [str(i) for i in range(12)]
    numbers = [int(document(m)["SequenceNumber"]) for m in got]
    assert numbers == sorted(set(numbers))
    receive_none(three[0][1], url)
