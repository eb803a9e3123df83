"""Replays of a FIFO topic's archive: which policies are taken, what is delivered anew, and how it goes on with what is new."""

import json
import threading
from datetime import datetime, timedelta, timezone
from time import time_ns

import pytest
from support.aws import arn_of, eventually, receive_all, receive_none, refused
from support.sns import document, subscribe, subscription_attributes, topic_attributes

ARCHIVE = '{"MessageRetentionPeriod": "7"}'
GROUPS = 3


def written(time):
    """A time as SNS writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


def from_now(**delta):
    return written(datetime.now(timezone.utc) + timedelta(**delta))


def policy(start, end=None, **more):
    points = {"PointType": "Timestamp", "StartingPoint": start} | ({"EndingPoint": end} if end else {}) | more
    return json.dumps(points)


def beginning(sns, topic):
    return topic_attributes(sns, topic)["BeginningArchiveTime"]


def set_policy(sns, arn, value):
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="ReplayPolicy", AttributeValue=value)


def is_completed(sns, arn):
    status = subscription_attributes(sns, arn)["ReplayStatus"]
    assert status in {"Pending", "In progress", "Completed"}
    return status == "Completed"


def publish(sns, topic, numbers, kind="any"):
    """In batches; the groups take turns. The ids that were answered, in order."""
    numbers, ids = list(numbers), []
    for first in range(0, len(numbers), 10):
        entries = [
            {
                "Id": str(n),
                "Message": f"message {n}",
                "MessageGroupId": f"group-{n % GROUPS}",
                "MessageDeduplicationId": str(n),
                "MessageAttributes": {"kind": {"DataType": "String", "StringValue": kind}},
            }
            for n in numbers[first : first + 10]
        ]
        done = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        assert not done.get("Failed")
        ids += [one["MessageId"] for one in done["Successful"]]
    return ids


def pass_millisecond():
    """Until the clock, which the nodes read too, shows another millisecond: times are told no finer."""
    now = time_ns() // 1_000_000
    while time_ns() // 1_000_000 == now:
        pass


def numbers_of(messages):
    """Of documents, which must be in order within each group."""
    numbers = [int(document(message)["Message"].split()[1]) for message in messages]
    for group in range(GROUPS):
        of_group = [n for n in numbers if n % GROUPS == group]
        assert of_group == sorted(of_group), of_group
    return numbers


@pytest.fixture
def archived(make_topic):
    """A FIFO topic that keeps what is published."""
    return make_topic(fifo=True, ArchivePolicy=ARCHIVE)


@pytest.fixture
def fifo_arn(sqs, fifo):
    return arn_of(sqs, fifo)


def test_which_policies_are_taken(sns, archived, fifo_arn):
    arn = subscribe(sns, archived, fifo_arn)
    start = beginning(sns, archived)
    for bad, why in [
        ("no JSON", "failed to parse JSON"),
        ("[]", "failed to parse JSON"),
        ('{"PointType": "Beginning"}', "PointType must be Timestamp"),
        ('{"PointType": "Timestamp"}', "StartingPoint must be specified"),
        (policy("yesterday"), "StartingPoint must be a time"),
        (policy("2026-02-30T00:00:00Z"), "StartingPoint must be a time"),
        (policy(start, "soon"), "EndingPoint must be a time"),
        (policy(start, start), "EndingPoint must be later than StartingPoint"),
        (policy(start, Speed=2), "invalid JSON. Attribute Speed is unknown"),
        (policy("2023-12-05T16:58:37.217Z"), "StartingPoint must not be earlier than BeginningArchiveTime"),
        (policy(from_now(hours=1)), "StartingPoint must not be in the future"),
    ]:
        with refused("InvalidParameter", f"Invalid parameter: ReplayPolicy: {why}"):
            set_policy(sns, arn, bad)
    told = subscription_attributes(sns, arn)
    assert "ReplayPolicy" not in told and "ReplayStatus" not in told


def test_only_fifo_topics_with_an_archive_are_replayed(sns, sqs, make_topic, topic, queue, fifo_arn):
    now = policy(from_now())
    with refused("InvalidParameter", "only supported for FIFO topics"):
        subscribe(sns, topic, arn_of(sqs, queue), ReplayPolicy=now)
    plain = make_topic(fifo=True)
    with refused("InvalidParameter", "Attributes Reason: ReplayPolicy: the topic has no ArchivePolicy"):
        subscribe(sns, plain, fifo_arn, ReplayPolicy=now)
    arn = subscribe(sns, plain, fifo_arn)
    with refused("InvalidParameter", "the topic has no ArchivePolicy"):
        set_policy(sns, arn, now)


def test_a_new_subscription_gets_the_whole_archive(sns, other_sns, sqs, archived, fifo, fifo_arn):
    ids = publish(sns, archived, range(30))
    start = beginning(other_sns, archived)
    arn = subscribe(other_sns, archived, fifo_arn, ReplayPolicy=policy(start))
    new_ids = publish(sns, archived, range(30, 40))
    got = receive_all(sqs, fifo, 40, AttributeNames=["All"])
    assert sorted(numbers_of(got)) == list(range(40))
    told = sorted((document(m) for m in got), key=lambda m: m["SequenceNumber"])
    assert [m["MessageId"] for m in told] == ids + new_ids
    assert told[0]["Timestamp"] == start
    assert all(m["MessageAttributes"]["kind"] == {"Type": "String", "Value": "any"} for m in told)
    # What was published before says that it is replayed, and what comes anew does not.
    assert [m.get("Replayed") for m in told[:30]] == ["true"] * 30
    assert [m.get("Replayed") for m in told[30:]] == [None] * 10
    assert {m["Attributes"]["MessageGroupId"] for m in got} == {f"group-{n}" for n in range(GROUPS)}
    eventually(lambda: is_completed(sns, arn))
    assert json.loads(subscription_attributes(sns, arn)["ReplayPolicy"]) == json.loads(policy(start))
    publish(sns, archived, [40])
    assert numbers_of(receive_all(sqs, fifo, 1)) == [40]
    receive_none(sqs, fifo, wait_s=1)


def test_a_range_of_time_passes_a_filter(sns, sqs, archived, fifo, fifo_arn):
    arn = subscribe(sns, archived, fifo_arn)
    for n in range(12):
        publish(sns, archived, [n], kind="even" if n % 2 == 0 else "odd")
        pass_millisecond()
    documents = [document(m) for m in receive_all(sqs, fifo, 12)]
    at = {int(m["Message"].split()[1]): m["Timestamp"] for m in documents}
    assert len(set(at.values())) == 12, "each has a time of its own"
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"kind": ["even"]}')
    set_policy(sns, arn, policy(at[3], at[8]))
    got = receive_all(sqs, fifo, 3)
    assert sorted(numbers_of(got)) == [4, 6, 8]
    assert {document(m)["Replayed"] for m in got} == {"true"}
    eventually(lambda: is_completed(sns, arn))
    publish(sns, archived, [12], kind="even")
    publish(sns, archived, [13], kind="odd")
    assert numbers_of(receive_all(sqs, fifo, 1)) == [12]
    receive_none(sqs, fifo, wait_s=1)


def test_raw_messages_come_as_they_were(sns, sqs, archived, fifo, fifo_arn):
    publish(sns, archived, range(2))
    start = policy(beginning(sns, archived))
    subscribe(sns, archived, fifo_arn, RawMessageDelivery="true", ReplayPolicy=start)
    got = receive_all(sqs, fifo, 2, MessageAttributeNames=["All"])
    assert sorted(m["Body"] for m in got) == ["message 0", "message 1"]
    assert all(set(m["MessageAttributes"]) == {"kind"} for m in got)


def test_it_catches_up_with_what_is_published_meanwhile(sns, other_sns, sqs, archived, fifo, fifo_arn):
    publish(sns, archived, range(400))
    start = policy(beginning(sns, archived))
    failed = []

    def go_on():
        try:
            publish(other_sns, archived, range(400, 800))
        except Exception as error:  # noqa: BLE001 - it is asserted on below
            failed.append(error)

    publishing = threading.Thread(target=go_on)
    publishing.start()
    arn = subscribe(sns, archived, fifo_arn, ReplayPolicy=start)
    got = receive_all(sqs, fifo, 800, timeout_s=60)
    publishing.join()
    assert not failed
    assert sorted(numbers_of(got)) == list(range(800))
    eventually(lambda: is_completed(sns, arn))
    publish(sns, archived, range(800, 810))
    assert sorted(numbers_of(receive_all(sqs, fifo, 10))) == list(range(800, 810))
    receive_none(sqs, fifo, wait_s=1)


@pytest.mark.parametrize("nothing", ["{}", ""])
def test_a_replay_is_stopped_and_begun_again(sns, other_sns, sqs, archived, fifo, fifo_arn, nothing):
    publish(sns, archived, range(900))
    arn = subscribe(sns, archived, fifo_arn)
    start = policy(beginning(sns, archived))
    set_policy(other_sns, arn, start)
    publish(sns, archived, range(900, 910))
    set_policy(sns, arn, nothing)
    told = subscription_attributes(other_sns, arn)
    assert "ReplayPolicy" not in told and "ReplayStatus" not in told
    publish(sns, archived, range(910, 920))
    got = []
    while not set(range(900, 920)) <= set(got):
        more = numbers_of(receive_all(sqs, fifo, 1))
        assert more, f"what is new did not come: {got[-40:]}"
        got += more
    # As much of the archive as had been handed on, in order and without a gap, and then all that is new.
    for group in range(GROUPS):
        of_group = [n for n in got if n % GROUPS == group]
        new = [n for n in range(900, 920) if n % GROUPS == group]
        assert of_group[-len(new) :] == new
        replayed = of_group[: -len(new)]
        assert replayed == list(range(group, 900, GROUPS))[: len(replayed)]
    receive_none(sqs, fifo, wait_s=1)
    set_policy(other_sns, arn, start)
    again = receive_all(sqs, fifo, 920, timeout_s=60)
    assert sorted(numbers_of(again)) == list(range(920))
    eventually(lambda: is_completed(sns, arn))


def test_a_policy_that_is_set_again_begins_anew(sns, sqs, archived, fifo, fifo_arn):
    publish(sns, archived, range(20))
    arn = subscribe(sns, archived, fifo_arn)
    start = policy(beginning(sns, archived))
    for _ in range(2):
        set_policy(sns, arn, start)
        assert sorted(numbers_of(receive_all(sqs, fifo, 20))) == list(range(20))
        eventually(lambda: is_completed(sns, arn))
    # Another attribute does not begin it.
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="false")
    receive_none(sqs, fifo, wait_s=1)


def test_a_topic_with_an_archive_is_not_deleted(sns, sqs, archived, fifo, fifo_arn):
    publish(sns, archived, range(5))
    arn = subscribe(sns, archived, fifo_arn, ReplayPolicy=policy(beginning(sns, archived)))
    assert len(receive_all(sqs, fifo, 5)) == 5
    with refused("InvalidState", "Invalid state: Cannot delete a topic with an ArchivePolicy"):
        sns.delete_topic(TopicArn=archived)
    sns.set_topic_attributes(TopicArn=archived, AttributeName="ArchivePolicy", AttributeValue="{}")
    assert "BeginningArchiveTime" not in topic_attributes(sns, archived)
    assert subscription_attributes(sns, arn)["ReplayStatus"] == "Failed"
    # With another archive, which has none of it, the replay that is over does not begin again.
    sns.set_topic_attributes(TopicArn=archived, AttributeName="ArchivePolicy", AttributeValue=ARCHIVE)
    publish(sns, archived, [5])
    assert numbers_of(receive_all(sqs, fifo, 1)) == [5]
    assert subscription_attributes(sns, arn)["ReplayStatus"] == "Completed"
    sns.set_topic_attributes(TopicArn=archived, AttributeName="ArchivePolicy", AttributeValue="{}")
    sns.delete_topic(TopicArn=archived)
    with refused("NotFound", status=404):
        topic_attributes(sns, archived)
