"""Enhanced fan-out: records pushed to a consumer, over HTTP/1.1 by boto3."""

import threading
import time

import pytest
from support.aws import refused
from support.kinesis import wait_active


@pytest.fixture
def consumer(kinesis, stream):
    """The ARN of an active consumer of the stream."""
    arn = wait_active(kinesis, stream)["StreamARN"]
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    deadline = time.monotonic() + 15
    while kinesis.describe_stream_consumer(ConsumerARN=made)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return made


def subscribe(kinesis, consumer, shard="shardId-000000000000", **position):
    position = position or {"Type": "TRIM_HORIZON"}
    answer = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=position)
    return answer["EventStream"]


def events(pushed):
    for event in pushed:
        yield event["SubscribeToShardEvent"]


def test_records_are_pushed_to_the_end_of_the_shard(kinesis, other_kinesis, stream, consumer):
    other_kinesis.put_record(StreamName=stream, Data=b"1", PartitionKey="k")
    pushed = events(subscribe(kinesis, consumer))
    first = next(event for event in pushed if event["Records"])
    assert [record["Data"] for record in first["Records"]] == [b"1"]
    assert first["ContinuationSequenceNumber"] == first["Records"][-1]["SequenceNumber"]
    assert "ChildShards" not in first
    with refused("ResourceInUseException"):
        subscribe(kinesis, consumer)
    began = time.monotonic()
    writer = threading.Timer(
        0.5, other_kinesis.put_record, kwargs={"StreamName": stream, "Data": b"2", "PartitionKey": "k"}
    )
    writer.start()
    second = next(event for event in pushed if event["Records"])
    assert [record["Data"] for record in second["Records"]] == [b"2"]
    # With nothing to say an event comes all the same, before an SDK gives up.
    empty = next(pushed)
    assert (empty["Records"], time.monotonic() - began < 30) == ([], True)
    assert empty["ContinuationSequenceNumber"] == second["ContinuationSequenceNumber"]
    other_kinesis.split_shard(
        StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127)
    )
    rest = list(pushed)
    assert [child["ShardId"][-2:] for child in rest[-1]["ChildShards"]] == ["01", "02"]
    assert "ContinuationSequenceNumber" not in rest[-1]
    assert all("ChildShards" not in event for event in rest[:-1])


def test_a_later_subscription_takes_over(kinesis, stream, consumer):
    first = subscribe(kinesis, consumer)
    time.sleep(5.5)
    second = subscribe(kinesis, consumer)
    # The first one ends; what it had sent may still come.
    list(first)
    kinesis.put_record(StreamName=stream, Data=b"x", PartitionKey="k")
    assert next(event for event in events(second) if event["Records"])
    second.close()
