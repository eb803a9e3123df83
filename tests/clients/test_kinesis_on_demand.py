"""Streams in on-demand mode grow with what comes; limits of reading."""

import threading
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from support.kinesis import iterator, kinesis_client, wait_active
from support.nodes import Cluster

KIB = 1024
GROWN_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def hasty():
    """A node that looks at its streams every second, and keeps limits."""
    with Cluster(1, extra_config="[kinesis]\nlimits = true\non_demand_window_secs = 1\n") as cluster:
        yield kinesis_client(cluster.endpoints[0])


def new_stream(kinesis, **settings):
    name = f"s-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, **settings)
    wait_active(kinesis, name)
    return name


def open_shards(kinesis, name):
    shards = kinesis.list_shards(StreamName=name)["Shards"]
    return [shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]


def wait_shards(kinesis, name, count):
    deadline = time.monotonic() + GROWN_TIMEOUT_S
    while True:
        summary = wait_active(kinesis, name)
        if summary["OpenShardCount"] >= count:
            return summary
        assert time.monotonic() < deadline, summary
        time.sleep(0.1)


def test_a_crowded_shard_is_split_and_every_record_is_there(hasty):
    name = new_stream(hasty, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert len(open_shards(hasty, name)) == 4
    stop, sent = threading.Event(), []

    def produce():
        while not stop.is_set():
            records = [{"Data": b"x" * 100 * KIB, "PartitionKey": "one"}] * 2
            answer = hasty.put_records(StreamName=name, Records=records)
            sent.extend(r["SequenceNumber"] for r in answer["Records"] if "ErrorCode" not in r)
            time.sleep(0.2)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        wait_shards(hasty, name, 5)
    finally:
        stop.set()
        producer.join()
    assert len(set(sent)) == len(sent) and sent == sorted(sent, key=int)
    got = []
    for shard in hasty.list_shards(StreamName=name)["Shards"]:
        at, quiet = iterator(hasty, name, shard["ShardId"]), 0
        while at and quiet < 2:
            try:
                answer = hasty.get_records(ShardIterator=at)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ProvisionedThroughputExceededException"
                time.sleep(0.3)
                continue
            got += [record["SequenceNumber"] for record in answer["Records"]]
            quiet = 0 if answer["Records"] else quiet + 1
            at = answer.get("NextShardIterator")
    assert sorted(got, key=int) == sent


def test_a_stream_that_is_kept_warm_has_the_shards_for_it(hasty):
    name = new_stream(hasty, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    if not hasattr(hasty, "update_stream_warm_throughput"):
        pytest.skip("this boto3 does not know warm throughput")
    arn = hasty.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    hasty.update_stream_warm_throughput(StreamARN=arn, WarmThroughputMiBps=10)
    summary = wait_shards(hasty, name, 10)
    assert summary["OpenShardCount"] == 10
    assert summary["WarmThroughput"] == {"TargetMiBps": 10, "CurrentMiBps": 10}
    ranges = [shard["HashKeyRange"] for shard in open_shards(hasty, name)]
    ranges = sorted((int(r["StartingHashKey"]), int(r["EndingHashKey"])) for r in ranges)
    assert ranges[0][0] == 0 and ranges[-1][1] == 2**128 - 1
    assert all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:]))


def test_a_quiet_stream_keeps_its_shards(hasty):
    name = new_stream(hasty, ShardCount=6)
    arn = hasty.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    hasty.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    busy = new_stream(hasty, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    hasty.update_stream_warm_throughput(
        StreamARN=hasty.describe_stream_summary(StreamName=busy)["StreamDescriptionSummary"]["StreamARN"],
        WarmThroughputMiBps=5,
    )
    # By when the other has grown, this one was looked at as well.
    wait_shards(hasty, busy, 5)
    assert wait_active(hasty, name)["OpenShardCount"] == 6


def test_a_shard_is_read_five_times_a_second(hasty):
    name = new_stream(hasty, ShardCount=1)
    at = iterator(hasty, name)
    with pytest.raises(ClientError) as refused:
        for _ in range(200):
            hasty.get_records(ShardIterator=at)
    error = refused.value.response["Error"]
    assert error["Code"] == "ProvisionedThroughputExceededException"
    assert error["Message"].startswith(f"Rate exceeded for shard shardId-000000000000 in stream {name} under account")
