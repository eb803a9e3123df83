"""The AWS CLI, as people type it."""

import functools
import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from support.aws import arn_of, receive_all, receive_one
from support.endpoints import HttpEndpoint


@pytest.fixture(scope="module")
def program():
    """The `aws` of the same environment as this Python, else the first on the path."""
    beside = Path(sys.executable).with_name("aws")
    found = str(beside) if beside.exists() else shutil.which("aws")
    if not found:
        pytest.fail("the AWS CLI is not installed: pip install -r tests/clients/requirements.txt")
    return found


@pytest.fixture
def aws(program, endpoint, tmp_path):
    """Runs `aws sqs ...`, or another service's, and returns what it printed, parsed.

    Version 1 of the CLI takes the endpoint of SQS from the option alone, and not from AWS_ENDPOINT_URL.
    """
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }

    def run(*arguments, fails=None, service="sqs"):
        done = subprocess.run(
            [program, "--endpoint-url", endpoint, service, *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        if fails:
            assert done.returncode != 0
            assert fails in done.stderr, done.stderr
            return None
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_a_queue_from_creation_to_deletion(aws):
    name = f"cli-{uuid.uuid4().hex[:12]}"
    url = aws("create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=40", "--tags", "a=b")["QueueUrl"]
    assert aws("get-queue-url", "--queue-name", name)["QueueUrl"] == url
    assert url in aws("list-queues", "--queue-name-prefix", name)["QueueUrls"]
    got = aws("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert got["VisibilityTimeout"] == "40"
    aws("set-queue-attributes", "--queue-url", url, "--attributes", '{"VisibilityTimeout": "50"}')
    aws("tag-queue", "--queue-url", url, "--tags", "team=blue")
    aws("untag-queue", "--queue-url", url, "--tag-keys", "a")
    assert aws("list-queue-tags", "--queue-url", url)["Tags"] == {"team": "blue"}
    aws("purge-queue", "--queue-url", url)
    aws("delete-queue", "--queue-url", url)
    aws("get-queue-url", "--queue-name", name, fails="AWS.SimpleQueueService.NonExistentQueue")


def test_messages_are_sent_received_and_deleted(aws):
    url = aws("create-queue", "--queue-name", f"cli-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    attribute = '{"n": {"DataType": "String", "StringValue": "v"}}'
    sent = aws("send-message", "--queue-url", url, "--message-body", "hello", "--message-attributes", attribute)
    got = aws("receive-message", "--queue-url", url, "--message-attribute-names", "All", "--wait-time-seconds", "2")
    (message,) = got["Messages"]
    assert message["MessageId"] == sent["MessageId"] and message["MessageAttributes"]["n"]["StringValue"] == "v"
    handle = message["ReceiptHandle"]
    aws("change-message-visibility", "--queue-url", url, "--receipt-handle", handle, "--visibility-timeout", "60")
    aws("delete-message", "--queue-url", url, "--receipt-handle", handle)
    assert aws("receive-message", "--queue-url", url) is None
    entries = [{"Id": str(i), "MessageBody": f"m{i}"} for i in range(3)]
    batch = aws("send-message-batch", "--queue-url", url, "--entries", json.dumps(entries))
    assert len(batch["Successful"]) == 3
    aws("delete-queue", "--queue-url", url)


def test_fifo_from_the_command_line(aws):
    url = aws(
        "create-queue",
        "--queue-name",
        f"cli-{uuid.uuid4().hex[:12]}.fifo",
        "--attributes",
        "FifoQueue=true,ContentBasedDeduplication=true",
    )["QueueUrl"]
    for body in ("a", "b", "a"):
        aws("send-message", "--queue-url", url, "--message-body", body, "--message-group-id", "g")
    got = aws("receive-message", "--queue-url", url, "--max-number-of-messages", "10")
    assert [m["Body"] for m in got["Messages"]] == ["a", "b"]
    aws("send-message", "--queue-url", url, "--message-body", "x", fails="MissingParameter")
    aws("delete-queue", "--queue-url", url)


@pytest.fixture
def topics(aws):
    """Runs `aws sns ...`."""
    return functools.partial(aws, service="sns")


def test_a_topic_from_creation_to_deletion(aws, topics):
    name = f"cli-{uuid.uuid4().hex[:12]}"
    made = topics("create-topic", "--name", name, "--attributes", "DisplayName=Orders", "--tags", "Key=a,Value=b")
    arn = made["TopicArn"]
    assert arn in [topic["TopicArn"] for topic in topics("list-topics")["Topics"]]
    value = ("--attribute-name", "DisplayName", "--attribute-value", "Parcels")
    topics("set-topic-attributes", "--topic-arn", arn, *value)
    assert topics("get-topic-attributes", "--topic-arn", arn)["Attributes"]["DisplayName"] == "Parcels"
    topics("tag-resource", "--resource-arn", arn, "--tags", "Key=team,Value=blue")
    topics("untag-resource", "--resource-arn", arn, "--tag-keys", "a")
    assert topics("list-tags-for-resource", "--resource-arn", arn)["Tags"] == [{"Key": "team", "Value": "blue"}]
    allowed = ("--label", "them", "--aws-account-id", "111111111111", "--action-name", "Publish")
    topics("add-permission", "--topic-arn", arn, *allowed)
    policy = json.loads(topics("get-topic-attributes", "--topic-arn", arn)["Attributes"]["Policy"])
    assert "them" in [statement["Sid"] for statement in policy["Statement"]]
    topics("remove-permission", "--topic-arn", arn, "--label", "them")
    topics("delete-topic", "--topic-arn", arn)
    topics("get-topic-attributes", "--topic-arn", arn, fails="(NotFound)")


def test_messages_are_published_to_who_has_subscribed(topics, sqs, make_queue):
    name = f"cli-{uuid.uuid4().hex[:12]}"
    arn = topics("create-topic", "--name", name)["TopicArn"]
    raw, wrapped = make_queue(), make_queue()
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": '{"kind": ["new"]}'}
    to = ("--topic-arn", arn, "--protocol", "sqs", "--notification-endpoint")
    topics("subscribe", *to, arn_of(sqs, raw), "--attributes", json.dumps(attributes))
    other = topics("subscribe", *to, arn_of(sqs, wrapped))["SubscriptionArn"]
    listed = topics("list-subscriptions-by-topic", "--topic-arn", arn)["Subscriptions"]
    assert {one["Endpoint"] for one in listed} == {arn_of(sqs, raw), arn_of(sqs, wrapped)}
    for kind in ("old", "new"):
        value = json.dumps({"kind": {"DataType": "String", "StringValue": kind}})
        topics("publish", "--topic-arn", arn, "--message", kind, "--message-attributes", value)
    message = receive_one(sqs, raw, MessageAttributeNames=["All"])
    assert message["Body"] == "new" and message["MessageAttributes"]["kind"]["StringValue"] == "new"
    assert {json.loads(m["Body"])["Message"] for m in receive_all(sqs, wrapped, 2)} == {"old", "new"}
    entries = [{"Id": f"e{i}", "Message": f"m{i}"} for i in range(3)]
    batch = ("--topic-arn", arn, "--publish-batch-request-entries")
    assert len(topics("publish-batch", *batch, json.dumps(entries))["Successful"]) == 3
    topics("publish-batch", *batch, json.dumps([entries[0], {"Id": "e9", "Message": ""}]), fails="(InvalidParameter)")
    value = ("--attribute-name", "RawMessageDelivery", "--attribute-value", "true")
    topics("set-subscription-attributes", "--subscription-arn", other, *value)
    read = topics("get-subscription-attributes", "--subscription-arn", other)["Attributes"]
    assert read["RawMessageDelivery"] == "true"
    topics("unsubscribe", "--subscription-arn", other)
    topics("get-subscription-attributes", "--subscription-arn", other, fails="(NotFound)")
    topics("delete-topic", "--topic-arn", arn)


def test_a_fifo_topic_from_the_command_line(topics, sqs, fifo):
    name = f"cli-{uuid.uuid4().hex[:12]}.fifo"
    once = "FifoTopic=true,ContentBasedDeduplication=true"
    arn = topics("create-topic", "--name", name, "--attributes", once)["TopicArn"]
    to = ("--topic-arn", arn, "--protocol", "sqs", "--notification-endpoint", arn_of(sqs, fifo))
    topics("subscribe", *to, "--attributes", "RawMessageDelivery=true")
    for body in ("a", "b", "a"):
        topics("publish", "--topic-arn", arn, "--message", body, "--message-group-id", "g")
    assert [m["Body"] for m in receive_all(sqs, fifo, 2)] == ["a", "b"]
    topics("publish", "--topic-arn", arn, "--message", "x", fails="(InvalidParameter)")
    topics("delete-topic", "--topic-arn", arn)


def test_an_endpoint_confirms_from_the_command_line(topics):
    arn = topics("create-topic", "--name", f"cli-{uuid.uuid4().hex[:12]}")["TopicArn"]
    with HttpEndpoint() as endpoint:
        to = ("--topic-arn", arn, "--protocol", "http", "--notification-endpoint", endpoint.url)
        assert topics("subscribe", *to)["SubscriptionArn"] == "pending confirmation"
        token = endpoint.next().document["Token"]
        topics("confirm-subscription", "--topic-arn", arn, "--token", token)
        sent = topics("publish", "--topic-arn", arn, "--subject", "s", "--message", "hello")
        told = endpoint.next().document
        assert (told["MessageId"], told["Message"]) == (sent["MessageId"], "hello")
    topics("delete-topic", "--topic-arn", arn)


def test_who_am_i(aws):
    assert aws("get-caller-identity", service="sts")["Account"] == "000000000000"
