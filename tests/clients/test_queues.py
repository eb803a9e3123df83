"""Creating, finding, listing and deleting queues."""

import json
import time
import uuid

import pytest
from support.aws import arn_of, attributes, eventually, receive_none, refused


def test_create_returns_a_url_that_ends_in_account_and_name(sqs):
    name = f"q-{uuid.uuid4().hex}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    assert url.endswith(f"/000000000000/{name}")
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url


def test_a_queue_made_by_one_client_is_there_for_another_at_once(sqs, other_sqs):
    for _ in range(10):
        name = f"q-{uuid.uuid4().hex}"
        sqs.create_queue(QueueName=name)
        assert other_sqs.get_queue_url(QueueName=name)["QueueUrl"].endswith(name)
        other_sqs.send_message(QueueUrl=other_sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody="x")


def test_create_is_idempotent_with_the_same_attributes(sqs, make_queue):
    name = f"q-{uuid.uuid4().hex}"
    first = make_queue(name=name, VisibilityTimeout="17")
    again = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "17"})["QueueUrl"]
    assert first == again
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == first  # nothing said, nothing different


def test_create_with_another_value_says_which_attribute_differs(sqs, make_queue):
    name = f"q-{uuid.uuid4().hex}"
    make_queue(name=name, DelaySeconds="1")
    with refused(
        "QueueAlreadyExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    ):
        sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "2"})
    with refused("QueueAlreadyExists", "attribute VisibilityTimeout"):
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "31"})


def test_create_fifo_with_another_value_says_which_attribute_differs(sqs, make_queue):
    name = f"q-{uuid.uuid4().hex}"
    make_queue(name=name, fifo=True, ContentBasedDeduplication="true")
    with refused("QueueAlreadyExists", "attribute ContentBasedDeduplication"):
        sqs.create_queue(
            QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "false"}
        )


def test_create_refuses_an_empty_name(sqs):
    with pytest.raises(sqs.exceptions.ClientError) as caught:
        sqs.create_queue(QueueName="")
    assert caught.value.response["Error"]["Code"] in ("MissingParameter", "InvalidParameterValue")


@pytest.mark.parametrize("name", ["a" * 81, "no spaces", "no.dots", "nö", "slash/ed", "star*"])
def test_create_refuses_a_bad_name(sqs, name):
    with refused("InvalidParameterValue"):
        sqs.create_queue(QueueName=name)


def test_create_accepts_the_longest_names(make_queue):
    make_queue(name="a" * 40 + uuid.uuid4().hex + "_-Z9x_-Z")
    make_queue(name="b" * 43 + uuid.uuid4().hex, fifo=True)  # 75 and `.fifo`


def test_create_refuses_a_fifo_name_that_is_too_long_with_its_suffix(sqs):
    with refused("InvalidParameterValue"):
        sqs.create_queue(QueueName="a" * 76 + ".fifo", Attributes={"FifoQueue": "true"})


def test_fifo_name_and_attribute_belong_together(sqs):
    with refused("InvalidParameterValue", ".fifo"):
        sqs.create_queue(QueueName="without-suffix", Attributes={"FifoQueue": "true"})
    with refused("InvalidParameterValue"):
        sqs.create_queue(QueueName="without-attribute.fifo")


def test_get_queue_url_of_nothing(sqs):
    with refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.") as caught:
        sqs.get_queue_url(QueueName=f"none-{uuid.uuid4().hex}")
    assert isinstance(caught.value, sqs.exceptions.QueueDoesNotExist)


def test_calls_on_a_deleted_queue_say_that_it_does_not_exist(sqs, make_queue):
    url = make_queue()
    sqs.delete_queue(QueueUrl=url)
    gone = "AWS.SimpleQueueService.NonExistentQueue"
    with refused(gone):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    with refused(gone):
        sqs.receive_message(QueueUrl=url)
    with refused(gone):
        sqs.delete_queue(QueueUrl=url)
    with refused(gone):
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    with refused(gone):
        sqs.purge_queue(QueueUrl=url)
    with refused(gone):
        sqs.list_queue_tags(QueueUrl=url)


def test_a_deleted_name_is_taken_for_a_minute(sqs, make_queue):
    name = f"q-{uuid.uuid4().hex}"
    url = make_queue(name=name)
    sqs.delete_queue(QueueUrl=url)
    with refused("AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds after deleting a queue"):
        sqs.create_queue(QueueName=name)


def test_a_deleted_queue_leaves_the_list(sqs, make_queue):
    prefix = f"d{uuid.uuid4().hex[:10]}"
    keep, drop = make_queue(name=f"{prefix}-keep"), make_queue(name=f"{prefix}-drop")
    sqs.delete_queue(QueueUrl=drop)
    eventually(lambda: sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls") == [keep])


def test_list_queues_by_prefix(sqs, make_queue):
    prefix = f"p{uuid.uuid4().hex[:10]}"
    urls = sorted(make_queue(name=f"{prefix}-{i}") for i in range(3))
    make_queue(name=f"x{prefix}")
    assert sorted(sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]) == urls
    assert sqs.list_queues(QueueNamePrefix=f"{prefix}-none").get("QueueUrls", []) == []


def test_list_queues_in_pages(sqs, make_queue):
    prefix = f"p{uuid.uuid4().hex[:10]}"
    urls = sorted(make_queue(name=f"{prefix}-{i:02}") for i in range(7))
    page = sqs.list_queues(QueueNamePrefix=prefix, MaxResults=3)
    assert len(page["QueueUrls"]) == 3 and page["NextToken"]
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix, PaginationConfig={"PageSize": 3}))
    assert [len(p.get("QueueUrls", [])) for p in pages] == [3, 3, 1]
    assert sorted(u for p in pages for u in p["QueueUrls"]) == urls


@pytest.mark.parametrize("wrong", [1001, -1])
def test_list_queues_bounds_its_page(sqs, wrong):
    with refused("InvalidParameterValue", "MaxResults"):
        sqs.list_queues(MaxResults=wrong)


def test_list_queues_refuses_a_token_that_it_never_gave(sqs):
    with refused("InvalidParameterValue"):
        sqs.list_queues(MaxResults=3, NextToken="nonsense")


def test_purge_empties_a_queue_and_is_refused_a_second_time(sqs, make_queue):
    name = f"q-{uuid.uuid4().hex}"
    url = make_queue(name=name)
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(10)])
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)  # claimed ones go too
    sqs.purge_queue(QueueUrl=url)
    receive_none(sqs, url)
    counts = attributes(sqs, url, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert set(counts.values()) == {"0"}
    with refused(
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        f"Only one PurgeQueue operation on {name} is allowed every 60 seconds.",
        status=403,
    ):
        sqs.purge_queue(QueueUrl=url)


def test_purge_of_a_fifo_queue_frees_its_groups(sqs, fifo):
    for i in range(3):
        sqs.send_message(QueueUrl=fifo, MessageBody=str(i), MessageGroupId="g", MessageDeduplicationId=str(i))
    sqs.receive_message(QueueUrl=fifo)
    sqs.purge_queue(QueueUrl=fifo)
    sqs.send_message(QueueUrl=fifo, MessageBody="new", MessageGroupId="g", MessageDeduplicationId="new")
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=fifo)["Messages"]] == ["new"]


def test_timestamps_are_of_now_and_move_on_change(sqs, queue):
    before = attributes(sqs, queue, "CreatedTimestamp", "LastModifiedTimestamp")
    assert abs(int(before["CreatedTimestamp"]) - time.time()) < 60
    assert before["CreatedTimestamp"] == before["LastModifiedTimestamp"]
    time.sleep(1.1)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "31"})
    after = attributes(sqs, queue, "CreatedTimestamp", "LastModifiedTimestamp")
    assert after["CreatedTimestamp"] == before["CreatedTimestamp"]
    assert int(after["LastModifiedTimestamp"]) > int(before["LastModifiedTimestamp"])


def test_the_arn_holds_region_account_and_name(sqs, make_queue):
    name = f"q-{uuid.uuid4().hex}"
    assert arn_of(sqs, make_queue(name=name)) == f"arn:aws:sqs:us-east-1:000000000000:{name}"


def test_create_with_everything_reads_back_exactly(sqs, make_queue):
    """What Terraform does: apply, then compare every value as text."""
    target = arn_of(sqs, make_queue())
    wanted = {
        "DelaySeconds": "5",
        "MaximumMessageSize": "2048",
        "MessageRetentionPeriod": "86400",
        "ReceiveMessageWaitTimeSeconds": "10",
        "VisibilityTimeout": "33",
        "RedrivePolicy": '{"deadLetterTargetArn":"%s","maxReceiveCount":4}' % target,
        "RedriveAllowPolicy": '{"redrivePermission":"byQueue","sourceQueueArns":["%s"]}' % target,
        "Policy": json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
                ],
            }
        ),
        "SqsManagedSseEnabled": "false",
    }
    url = make_queue(tags={"team": "blue", "empty": ""}, **wanted)
    read = attributes(sqs, url)
    policy, read_policy = json.loads(wanted.pop("Policy")), json.loads(read.pop("Policy"))
    assert policy == read_policy
    assert {k: read.get(k) for k in wanted} == wanted
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "blue", "empty": ""}


def test_create_fifo_with_everything_reads_back_exactly(sqs, make_queue):
    wanted = {
        "ContentBasedDeduplication": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "DelaySeconds": "1",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "1209600",
        "ReceiveMessageWaitTimeSeconds": "20",
        "VisibilityTimeout": "43200",
    }
    url = make_queue(fifo=True, **wanted)
    read = attributes(sqs, url)
    assert {k: read.get(k) for k in wanted} == wanted
    assert read["FifoQueue"] == "true"
