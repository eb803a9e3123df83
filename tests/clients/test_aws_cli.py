"""The AWS CLI, as people type it."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest


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
    """Runs `aws sqs ...` and returns what it printed, parsed.

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


def test_who_am_i(aws):
    assert aws("get-caller-identity", service="sts")["Account"] == "000000000000"
