"""What the boto3 suites say often: a client, a refusal, a drained queue."""

import time
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

# Long enough for a long poll of 20 s and a busy machine.
READ_TIMEOUT_S = 60


def sqs_client(endpoint, access_key="test", secret_key="test", region="us-east-1", **config):
    """An unmodified boto3 client that tries once, so that a test sees what the broker answered."""
    settings = {"retries": {"total_max_attempts": 1}, "read_timeout": READ_TIMEOUT_S, "max_pool_connections": 64}
    settings.update(config)
    return boto3.session.Session().client(
        "sqs",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region,
        config=Config(**settings),
    )


@contextmanager
def refused(code, message=None, status=400):
    """The block's one call must be refused with this code, a message that holds `message`, and this status."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    seen = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message"))
    assert seen[0] == code, seen
    if message is not None:
        assert message in (seen[2] or ""), seen
    if status is not None:
        assert seen[1] == status, seen


def receive_all(sqs, url, count, timeout_s=15, delete=True, **options):
    """Receives until `count` messages came (all of them at least once) or the time is up."""
    deadline = time.monotonic() + timeout_s
    seen = []
    while len(seen) < count and time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, **options)
        batch = answer.get("Messages", [])
        seen += batch
        if delete and batch:
            sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(batch)],
            )
    assert len(seen) >= count, f"{len(seen)} of {count} messages came in {timeout_s} s"
    return seen


def receive_one(sqs, url, wait_s=5, **options):
    """One message, or a failed test."""
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=wait_s, **options)
    assert answer.get("Messages"), "no message came"
    return answer["Messages"][0]


def receive_none(sqs, url, wait_s=0, **options):
    """Asserts that nothing can be received."""
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s, **options)
    assert answer.get("Messages", []) == []


def attributes(sqs, url, *names):
    """The named queue attributes, or all."""
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"]).get("Attributes", {})


def arn_of(sqs, url):
    """The queue's ARN."""
    return attributes(sqs, url, "QueueArn")["QueueArn"]


def eventually(check, timeout_s=10, every_s=0.05):
    """Polls until `check()` is true; the last value is returned and shown if it never is."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < deadline, f"not true within {timeout_s} s; last: {value!r}"
        time.sleep(every_s)
