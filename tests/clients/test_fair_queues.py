"""Fair queues: a message group id on a standard queue keeps a noisy tenant from starving the others."""

import pytest
from support.aws import receive_all, receive_one, refused


def fill(sqs, url, tenant, count):
    for start in range(0, count, 10):
        sqs.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(i), "MessageBody": f"{tenant}{start + i}", "MessageGroupId": tenant}
                for i in range(min(10, count - start))
            ],
        )


def test_a_quiet_tenant_passes_a_noisy_backlog(sqs, make_queue):
    url = make_queue()
    fill(sqs, url, "noisy", 500)
    # The noisy tenant holds claims, as it does while its consumers are busy.
    for _ in range(10):
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
    fill(sqs, url, "quiet", 5)
    seen = []
    for _ in range(6):
        seen += sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages", [])
    quiet = [i for i, m in enumerate(seen) if m["Body"].startswith("quiet")]
    assert len(quiet) == 5, f"{len(quiet)} of 5 quiet messages among the next {len(seen)} of a backlog of 400"


def test_groups_are_not_ordered_nor_closed(sqs, queue):
    fill(sqs, queue, "tenant", 20)
    first = receive_one(sqs, queue)
    assert first  # stays in flight
    assert len(receive_all(sqs, queue, 19)) == 19


def test_the_group_is_received(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="tenant-7")
    got = receive_one(sqs, queue, MessageSystemAttributeNames=["MessageGroupId"])
    assert got["Attributes"] == {"MessageGroupId": "tenant-7"}


def test_nothing_is_lost_or_doubled(sqs, queue):
    for tenant in ("a", "b", "c"):
        fill(sqs, queue, tenant, 60)
    sqs.send_message(QueueUrl=queue, MessageBody="no group")
    got = [m["Body"] for m in receive_all(sqs, queue, 181)]
    assert len(got) == len(set(got)) == 181


@pytest.mark.parametrize("bad", ["g" * 129, "with space"])
def test_the_group_is_checked(sqs, queue, bad):
    with refused("InvalidParameterValue", "MessageGroupId"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId=bad)
