"""What takes a minute: retention, a deleted name, a second purge. Begun by the `hourglass` fixture."""

import time

import pytest
from support.aws import attributes, eventually, receive_none

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def minute(hourglass):
    time.sleep(max(0, hourglass["at"] + 62 - time.monotonic()))


def test_messages_end_with_their_retention(sqs, hourglass):
    receive_none(sqs, hourglass["retained"], wait_s=1)
    eventually(lambda: set(_counts(sqs, hourglass["retained"])) == {"0"})


def test_claimed_messages_end_with_their_retention(sqs, hourglass):
    receive_none(sqs, hourglass["claimed"], wait_s=1)
    eventually(lambda: set(_counts(sqs, hourglass["claimed"])) == {"0"})


def _counts(sqs, url):
    read = attributes(sqs, url, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return read.values()


def test_a_deleted_name_can_be_used_again(sqs, hourglass):
    url = sqs.create_queue(QueueName=f"deleted-{hourglass['tag']}")["QueueUrl"]
    receive_none(sqs, url)
    sqs.delete_queue(QueueUrl=url)


def test_a_queue_can_be_purged_again(sqs, hourglass):
    sqs.send_message(QueueUrl=hourglass["purged"], MessageBody="x")
    sqs.purge_queue(QueueUrl=hourglass["purged"])
    receive_none(sqs, hourglass["purged"])
