"""Every attribute of a queue: its default, its bounds, and what is said beyond them."""

import json
import uuid
from contextlib import contextmanager

import pytest
from support.aws import arn_of, attributes, eventually, refused

BOUNDS = [
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
]
READ_ONLY = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
]


def test_defaults_of_a_standard_queue(sqs, queue):
    read = attributes(sqs, queue)
    for name, _, _, default in BOUNDS:
        assert read[name] == str(default), name
    assert set(READ_ONLY) <= set(read)
    for absent in ("FifoQueue", "ContentBasedDeduplication", "Policy", "RedrivePolicy", "RedriveAllowPolicy"):
        assert absent not in read
    assert read["SqsManagedSseEnabled"] == "true"


def test_defaults_of_a_fifo_queue(sqs, fifo):
    read = attributes(sqs, fifo)
    assert read["FifoQueue"] == "true"
    assert read["ContentBasedDeduplication"] == "false"
    assert read["DeduplicationScope"] == "queue"
    assert read["FifoThroughputLimit"] == "perQueue"


@pytest.mark.parametrize("name,least,most,_default", BOUNDS)
def test_bounds_are_accepted_at_creation_and_later(sqs, make_queue, name, least, most, _default):
    for value in (least, most):
        url = make_queue(**{name: str(value)})
        assert attributes(sqs, url, name)[name] == str(value)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(least)})
    assert attributes(sqs, url, name)[name] == str(least)


@pytest.mark.parametrize("name,least,most,_default", BOUNDS)
@pytest.mark.parametrize("off", ["below", "above", "word", "huge", "empty", "fraction"])
def test_beyond_its_bounds_an_attribute_is_refused(sqs, queue, name, least, most, _default, off):
    value = {
        "below": str(least - 1),
        "above": str(most + 1),
        "word": "many",
        "huge": "9" * 40,
        "empty": "",
        "fraction": f"{least}.5",
    }[off]
    if value == "":
        # AWS takes an empty value for some attributes as "not set": it may refuse, it may not store it.
        try:
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={name: value})
        except sqs.exceptions.InvalidAttributeValue:
            pass
        assert attributes(sqs, queue, name)[name] == str(_default)
        return
    with refused("InvalidAttributeValue", f"Invalid value for the parameter {name}."):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={name: value})
    with refused("InvalidAttributeValue", f"Invalid value for the parameter {name}."):
        sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}", Attributes={name: value})


@pytest.mark.parametrize("name", READ_ONLY + ["Nonsense", "All"])
def test_what_cannot_be_set_is_an_unknown_attribute(sqs, queue, name):
    with refused("InvalidAttributeName", f"Unknown Attribute {name}."):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={name: "1"})


def test_asking_for_an_unknown_attribute_is_refused(sqs, queue):
    with refused("InvalidAttributeName", "Unknown Attribute Nonsense."):
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Nonsense"])


def test_only_what_is_asked_for_comes_back(sqs, queue):
    assert set(attributes(sqs, queue, "VisibilityTimeout", "DelaySeconds")) == {"VisibilityTimeout", "DelaySeconds"}
    assert sqs.get_queue_attributes(QueueUrl=queue).get("Attributes", {}) == {}
    assert "QueueArn" in attributes(sqs, queue, "All", "DelaySeconds")


def test_an_unset_attribute_is_left_out(sqs, queue):
    assert attributes(sqs, queue, "Policy", "RedrivePolicy") == {}


def test_a_refused_set_changes_nothing(sqs, queue):
    with refused("InvalidAttributeValue"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "11", "DelaySeconds": "901"})
    assert attributes(sqs, queue, "VisibilityTimeout")["VisibilityTimeout"] == "30"


def test_the_type_of_a_queue_is_fixed(sqs, queue, fifo):
    with refused("InvalidAttributeName", "Unknown Attribute FifoQueue."):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"FifoQueue": "true"})
    with refused(
        "InvalidAttributeValue",
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
    ):
        sqs.set_queue_attributes(QueueUrl=fifo, Attributes={"FifoQueue": "false"})


def test_attributes_of_fifo_queues_are_unknown_on_others(sqs, queue):
    with refused("InvalidAttributeName", "Unknown Attribute FifoQueue."):
        sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}", Attributes={"FifoQueue": "false"})
    for name, value in (
        ("ContentBasedDeduplication", "true"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ):
        with refused("InvalidAttributeName", name):
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={name: value})


def test_content_based_deduplication_can_be_switched(sqs, fifo):
    sqs.set_queue_attributes(QueueUrl=fifo, Attributes={"ContentBasedDeduplication": "true"})
    assert attributes(sqs, fifo)["ContentBasedDeduplication"] == "true"
    sqs.set_queue_attributes(QueueUrl=fifo, Attributes={"ContentBasedDeduplication": "false"})
    assert attributes(sqs, fifo)["ContentBasedDeduplication"] == "false"
    for name in ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"):
        with refused("InvalidAttributeValue", name):
            sqs.set_queue_attributes(QueueUrl=fifo, Attributes={name: "maybe"})


def test_throughput_per_group_needs_the_scope_of_a_group(sqs, fifo):
    with refused("InvalidAttributeValue"):
        sqs.set_queue_attributes(QueueUrl=fifo, Attributes={"FifoThroughputLimit": "perMessageGroupId"})
    sqs.set_queue_attributes(
        QueueUrl=fifo,
        Attributes={"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"},
    )


@contextmanager
def bad_value(sqs, name):
    """AWS is recorded with either code, by what is wrong with the document."""
    with pytest.raises(sqs.exceptions.ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] in ("InvalidParameterValue", "InvalidAttributeValue"), error
    assert f"parameter {name}" in error["Message"], error


@pytest.mark.parametrize(
    "policy",
    [
        "not json",
        "[]",
        '{"maxReceiveCount":3}',
        '{"deadLetterTargetArn":"dummy","maxReceiveCount":3}',
        '{"deadLetterTargetArn":"TARGET","maxReceiveCount":0}',
        '{"deadLetterTargetArn":"TARGET","maxReceiveCount":1001}',
        '{"deadLetterTargetArn":"TARGET","maxReceiveCount":"x"}',
        '{"deadLetterTargetArn":"TARGET"}',
        '{"deadLetterTargetArn":"TARGET-that-is-not-there","maxReceiveCount":3}',
    ],
)
def test_a_bad_redrive_policy_is_refused(sqs, make_queue, policy):
    target = arn_of(sqs, make_queue())
    policy = policy.replace("TARGET", target)
    with bad_value(sqs, "RedrivePolicy"):
        make_queue(RedrivePolicy=policy)


def test_the_count_of_a_redrive_policy_may_be_text(sqs, make_queue):
    target = arn_of(sqs, make_queue())
    policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": "3"})
    url = make_queue(RedrivePolicy=policy)
    read = json.loads(attributes(sqs, url, "RedrivePolicy")["RedrivePolicy"])
    assert read["deadLetterTargetArn"] == target and int(read["maxReceiveCount"]) == 3


def test_an_empty_redrive_policy_removes_it(sqs, make_queue):
    target = arn_of(sqs, make_queue())
    url = make_queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 3}))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert attributes(sqs, url, "RedrivePolicy") == {}


@pytest.mark.parametrize(
    "policy",
    ["not json", '{"redrivePermission":"some"}', '{"redrivePermission":"byQueue","sourceQueueArns":["dummy"]}'],
)
def test_a_bad_redrive_allow_policy_is_refused(sqs, queue, policy):
    with bad_value(sqs, "RedriveAllowPolicy"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedriveAllowPolicy": policy})


def test_a_redrive_allow_policy_names_ten_sources_at_most(sqs, queue):
    sources = [f"arn:aws:sqs:us-east-1:000000000000:s{i}" for i in range(11)]
    with refused("InvalidParameterValue", "RedriveAllowPolicy is invalid"):
        sqs.set_queue_attributes(
            QueueUrl=queue,
            Attributes={"RedriveAllowPolicy": json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": sources})},
        )


def test_a_bad_policy_is_refused(sqs, queue):
    for wrong in ("not json", "[]"):
        with refused("InvalidAttributeValue", "Policy"):
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": wrong})


def test_an_empty_policy_removes_it(sqs, queue):
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    assert json.loads(attributes(sqs, queue, "Policy")["Policy"]) == policy
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    assert attributes(sqs, queue, "Policy") == {}


def test_one_kind_of_encryption_at_a_time(sqs, make_queue):
    url = make_queue(KmsMasterKeyId="alias/my-key", KmsDataKeyReusePeriodSeconds="6000")
    read = attributes(sqs, url, "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    assert read == {
        "KmsMasterKeyId": "alias/my-key",
        "KmsDataKeyReusePeriodSeconds": "6000",
        "SqsManagedSseEnabled": "false",
    }
    with refused(
        "InvalidAttributeName",
        "You can use one type of server-side encryption (SSE) at one time."
        " You can either enable KMS SSE or SQS SSE.",
    ):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true", "KmsMasterKeyId": "k"})


@pytest.mark.parametrize("value", ["59", "86401", "x"])
def test_the_reuse_of_data_keys_is_bounded(sqs, queue, value):
    with refused("InvalidAttributeValue", "KmsDataKeyReusePeriodSeconds"):
        sqs.set_queue_attributes(
            QueueUrl=queue, Attributes={"KmsMasterKeyId": "k", "KmsDataKeyReusePeriodSeconds": value}
        )


def test_the_counts_follow_the_messages(sqs, queue):
    names = [f"ApproximateNumberOfMessages{s}" for s in ("", "NotVisible", "Delayed")]

    def counts():
        read = attributes(sqs, queue, *names)
        return [int(read[n]) for n in names]

    for i in range(5):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    for i in range(2):
        sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=900)
    eventually(lambda: counts() == [5, 0, 2])
    handles = []
    while len(handles) < 3:
        handles += sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=3 - len(handles)).get("Messages", [])
    eventually(lambda: counts() == [2, 3, 2])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handles[0]["ReceiptHandle"])
    eventually(lambda: counts() == [2, 2, 2])
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handles[1]["ReceiptHandle"], VisibilityTimeout=0)
    eventually(lambda: counts() == [3, 1, 2])
